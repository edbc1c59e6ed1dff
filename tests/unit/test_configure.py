"""infra/configure.py: what it writes for Compose and for systemd, and that it replaces nothing."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

INFRA = Path(__file__).parents[2] / "infra"
HOST = "nasflow.example.org"
WRITTEN = {
    "compose": {".env", "identities.json", "people.env", "worker.env"},
    "systemd": {"caddy.env", "control.env", "identities.json", "people.env", "prefect.env", "store.env", "worker.env"},
}
ROLES = {".env": "control", "control.env": "control", "people.env": "control", "worker.env": "worker"}
NEEDED = re.compile(r"\$\{(\w+):\?")
SECRET = re.compile(r"(?:KEY|KEY_ID|PASSWORD|AUTH|AUTH_STRING)$")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "made"


def start(way, folder, host=HOST):
    command = [sys.executable, str(INFRA / "configure.py"), way, "--to", str(folder), "--", host]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    out, errors = process.communicate(timeout=60)
    return process.returncode, out, errors


def configured(way, folder):
    code, out, errors = ended(start(way, folder))
    assert (code, errors) == (0, "")
    return out


def values_in(file):
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if re.match(r"[A-Z_]+=", line))


def secrets_in(folder):
    values = [values_in(path).items() for path in folder.glob("*.env")]
    return {value for each in values for name, value in each if SECRET.search(name) and value}


def names_in(folder):
    return {path.name for path in folder.iterdir()}


def test_each_value_that_compose_needs_is_there(folder):
    configured("compose", folder)
    for file, values in (("compose.yaml", ".env"), ("worker.yaml", "worker.env")):
        given = values_in(folder / values)
        needed = NEEDED.findall((INFRA / "compose" / file).read_text())
        assert [name for name in needed if not given.get(name)] == []


def test_each_unit_finds_its_files(folder):
    configured("systemd", folder)
    units = "".join(path.read_text() for path in (INFRA / "systemd").glob("*.*") if path.suffix != ".example")
    wanted = set(re.findall(r"/etc/nasflow/([\w.]+\.(?:env|json))$", units, re.MULTILINE))
    assert wanted == names_in(folder) - {"people.env"}


@pytest.mark.parametrize("way", WRITTEN)
def test_files_are_of_the_owner_alone_and_no_secret_is_printed(folder, way):
    out = configured(way, folder)
    assert names_in(folder) == WRITTEN[way]
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert len(secrets_in(folder)) == {"compose": 9, "systemd": 8}[way]
    assert [secret for secret in secrets_in(folder) if secret in out] == []


@pytest.mark.parametrize("way", WRITTEN)
def test_nothing_is_left_to_fill_in_but_the_key_for_roboflow(folder, way):
    configured(way, folder)
    values = [values_in(path).items() for path in folder.glob("*.env")]
    assert {name for each in values for name, value in each if not value} == {"NASFLOW_ROBOFLOW_API_KEY"}
    assert [path.name for path in folder.glob("*.env") if "$" in path.read_text()] == []


@pytest.mark.parametrize(
    ("way", "name"), [("compose", "people.env"), ("systemd", "people.env"), ("systemd", "worker.env")]
)
def test_other_machines_come_through_tls(folder, way, name):
    configured(way, folder)
    values = values_in(folder / name)
    assert (values["PREFECT_API_URL"], values["NASFLOW_STORE_ENDPOINT"]) == (
        f"https://{HOST}/api", f"https://{HOST}:8333"
    )  # fmt: skip


@pytest.mark.parametrize("way", WRITTEN)
def test_keys_are_those_that_the_store_reads(folder, way):
    configured(way, folder)
    identities = json.loads((folder / "identities.json").read_text())["identities"]
    keys = {one["name"]: (one["credentials"][0]["accessKey"], one["credentials"][0]["secretKey"]) for one in identities}
    for name in WRITTEN[way] & set(ROLES):
        values = values_in(folder / name)
        given = values["NASFLOW_STORE_ACCESS_KEY_ID"], values["NASFLOW_STORE_SECRET_ACCESS_KEY"]
        assert given == keys[f"nasflow-{ROLES[name]}"]


@pytest.mark.parametrize("way", WRITTEN)
def test_a_prefix_of_another_store_does_not_get_into_the_policies(folder, way, monkeypatch):
    """As after `source people.env`: the files that are written have no prefix, so keys for one would be refused."""
    monkeypatch.setenv("NASFLOW_STORE_PREFIX", "another/")
    configured(way, folder)
    assert [path.name for path in folder.glob("*.env") if "NASFLOW_STORE_PREFIX" in path.read_text()] == []
    policies = json.loads((folder / "identities.json").read_text())["policies"]
    statements = [one for policy in policies for one in json.loads(policy["content"])["Statement"]]
    resources = {
        resource
        for one in statements
        for resource in ([one["Resource"]] if isinstance(one["Resource"], str) else one["Resource"])
    }
    assert "arn:aws:s3:::nasflow/runs/*" in resources
    assert [resource for resource in resources if "another" in resource] == []


@pytest.mark.parametrize("way", WRITTEN)
def test_secrets_differ_from_one_machine_to_the_next(tmp_path, way):
    configured(way, tmp_path / "one")
    configured(way, tmp_path / "other")
    assert secrets_in(tmp_path / "one") & secrets_in(tmp_path / "other") == set()


def test_prometheus_gets_the_password_by_the_line_of_the_docs(tmp_path):
    configured("compose", tmp_path / "compose")
    lines = (INFRA.parent / "docs" / "deploying.md").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("sed ")]
    (tmp_path / "monitoring").mkdir()
    subprocess.run(["/bin/sh", "-c", line], cwd=tmp_path / "compose", check=True)
    scrape = yaml.safe_load((INFRA / "monitoring" / "prometheus.yml").read_text())["scrape_configs"]
    (login,) = [one["basic_auth"] for one in scrape if "basic_auth" in one]
    password = (tmp_path / "monitoring" / login["password_file"]).read_text().strip()
    assert f"{login['username']}:{password}" == values_in(tmp_path / "compose" / ".env")["PREFECT_AUTH"]


@pytest.mark.parametrize(("way", "there"), [(way, name) for way in WRITTEN for name in sorted(WRITTEN[way])])
def test_what_is_there_stays(folder, way, there):
    folder.mkdir()
    (folder / there).write_text("mine")
    code, out, errors = ended(start(way, folder))
    assert (code, out) == (2, "")
    assert f"{there}: there already" in errors.splitlines()[-1]
    assert (folder / there).read_text() == "mine"
    assert names_in(folder) == {there}


@pytest.mark.parametrize("way", WRITTEN)
def test_what_a_killed_call_left_is_named_and_what_is_said_to_be_removed_is_enough(folder, way):
    configured(way, folder)
    *_, lost = sorted(WRITTEN[way] - {"identities.json"})
    (folder / lost).unlink()  # as if the call had been killed before its last link
    (folder / ".new-x1").mkdir()
    code, out, errors = ended(start(way, folder))
    assert (code, out) == (2, "")
    line = errors.splitlines()[-1]
    assert f"but not {lost}: an earlier call was ended midway" in line
    removed = line.rpartition("remove ")[2].removesuffix(f" in {folder}").split()
    subprocess.run(["rm", "-r", "--", *removed], cwd=folder, check=True)
    configured(way, folder)
    assert names_in(folder) == WRITTEN[way]


def test_of_two_at_once_one_writes_all(folder):
    codes = sorted(ended(process)[0] for process in [start("compose", folder), start("compose", folder)])
    assert codes == [0, 2]
    password = values_in(folder / ".env")["PREFECT_AUTH"]
    assert values_in(folder / "worker.env")["PREFECT_AUTH"] == password
    assert values_in(folder / "people.env")["PREFECT_API_AUTH_STRING"] == password
    assert names_in(folder) == WRITTEN["compose"]


@pytest.mark.parametrize(
    "host", ["https://nasflow.example.org", "nasflow:443", "a b", "", "-x.y", "x/y", "$HOME", "[::1]"]
)
def test_a_host_is_a_name_alone(folder, host):
    code, out, errors = ended(start("systemd", folder, host))
    assert (code, out) == (2, "")
    assert "is no name of a machine" in errors.splitlines()[-1]
    assert not folder.exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    code, out, errors = ended(start("systemd", tmp_path / "file" / "folder"))
    assert (code, out) == (2, "")
    assert "Not a directory; call it as a user who may write there" in errors.splitlines()[-1]
