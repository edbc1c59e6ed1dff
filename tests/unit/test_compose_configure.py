"""infra/compose/configure.py: what it writes, and that it replaces nothing."""

import json
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

INFRA = Path(__file__).parents[2] / "infra"
HOST = "nasflow.example.org"
WRITTEN = [".env", "identities.json", "people.env", "worker.env"]
NEEDED = re.compile(r"\$\{(\w+):\?")
SECRET = re.compile(r"(?:KEY_ID|ACCESS_KEY|PASSWORD|AUTH|AUTH_STRING|SIGNING_KEY)$")


@pytest.fixture
def compose(tmp_path):
    """A copy of the folder."""
    for name in ("compose", "policies"):
        shutil.copytree(
            INFRA / name, tmp_path / name, ignore=shutil.ignore_patterns(".env", "*.env", "identities.json")
        )
    return tmp_path / "compose"


def start(compose, *arguments):
    command = [sys.executable, str(compose / "configure.py"), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    out, errors = process.communicate(timeout=60)
    return process.returncode, out, errors


def configured(compose):
    code, out, errors = ended(start(compose, HOST))
    assert (code, errors) == (0, "")
    return out


def values_in(file):
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if re.match(r"[A-Z_]+=", line))


def new_files(compose):
    return sorted(path.name for path in compose.iterdir() if not (INFRA / "compose" / path.name).exists())


def test_each_value_that_compose_needs_is_there(compose):
    configured(compose)
    assert set(WRITTEN) <= {path.name for path in compose.iterdir()}
    for file, values in (("compose.yaml", ".env"), ("worker.yaml", "worker.env")):
        given = values_in(compose / values)
        assert [name for name in NEEDED.findall((compose / file).read_text()) if not given.get(name)] == []


def test_people_reach_the_machine_through_tls(compose):
    configured(compose)
    people = values_in(compose / "people.env")
    assert (people["PREFECT_API_URL"], people["NASFLOW_STORE_ENDPOINT"]) == (
        f"https://{HOST}/api",
        f"https://{HOST}:8333",
    )
    assert all(people.values())


def test_keys_are_those_that_the_store_reads(compose):
    configured(compose)
    identities = json.loads((compose / "identities.json").read_text())["identities"]
    keys = {one["name"]: (one["credentials"][0]["accessKey"], one["credentials"][0]["secretKey"]) for one in identities}
    for file, name in ((".env", "control"), ("people.env", "control"), ("worker.env", "worker")):
        values = values_in(compose / file)
        given = values["NASFLOW_STORE_ACCESS_KEY_ID"], values["NASFLOW_STORE_SECRET_ACCESS_KEY"]
        assert given == keys[f"nasflow-{name}"]


def test_secrets_are_of_the_owner_alone_and_are_not_printed(compose):
    out = configured(compose)
    for name in WRITTEN:
        assert stat.S_IMODE((compose / name).stat().st_mode) == 0o600
    secrets = [value for name, value in values_in(compose / ".env").items() if SECRET.search(name) and value]
    assert len(secrets) == 7
    assert [value for value in secrets if value in out] == []


def test_secrets_differ_from_one_machine_to_the_next(compose):
    configured(compose)
    first = values_in(compose / ".env")
    for name in WRITTEN:
        (compose / name).unlink()
    configured(compose)
    second = values_in(compose / ".env")
    assert all(first[name] != second[name] for name in first if SECRET.search(name) and first[name])


def test_prometheus_gets_the_password_by_the_line_of_the_docs(compose):
    configured(compose)
    lines = (INFRA.parent / "docs" / "deploying.md").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("sed ")]
    (compose.parent / "monitoring").mkdir()
    subprocess.run(["/bin/sh", "-c", line], cwd=compose, check=True)
    scrape = yaml.safe_load((INFRA / "monitoring" / "prometheus.yml").read_text())["scrape_configs"]
    (login,) = [one["basic_auth"] for one in scrape if "basic_auth" in one]
    password = (compose.parent / "monitoring" / login["password_file"]).read_text().strip()
    assert f"{login['username']}:{password}" == values_in(compose / ".env")["PREFECT_AUTH"]


@pytest.mark.parametrize("there", WRITTEN)
def test_what_is_there_stays(compose, there):
    (compose / there).write_text("mine")
    code, out, errors = ended(start(compose, HOST))
    assert (code, out) == (2, "")
    assert f"{there}: there already" in errors.splitlines()[-1]
    assert (compose / there).read_text() == "mine"
    assert [name for name in WRITTEN if (compose / name).exists()] == [there]


def test_of_two_at_once_one_writes_all(compose):
    codes = sorted(ended(process)[0] for process in [start(compose, HOST), start(compose, HOST)])
    assert codes == [0, 2]
    password = values_in(compose / ".env")["PREFECT_AUTH"]
    assert values_in(compose / "worker.env")["PREFECT_AUTH"] == password
    assert values_in(compose / "people.env")["PREFECT_API_AUTH_STRING"] == password


@pytest.mark.parametrize(
    "host", ["https://nasflow.example.org", "nasflow:443", "a b", "", "-x.y", "x/y", "$HOME", "[::1]"]
)
def test_a_host_is_a_name_alone(compose, host):
    code, out, errors = ended(start(compose, "--", host))
    assert (code, out) == (2, "")
    assert "is no name of a machine" in errors.splitlines()[-1]
    assert [name for name in WRITTEN if (compose / name).exists()] == []
