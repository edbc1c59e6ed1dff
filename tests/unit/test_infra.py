"""Files for images, for Compose and for Kubernetes: what no schema of theirs says."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

INFRA = Path(__file__).parents[2] / "infra"
FOLDER = INFRA / "compose"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text())
GPU_WORKERS = yaml.safe_load((FOLDER / "worker.yaml").read_text())
SERVICES = COMPOSE["services"] | GPU_WORKERS["services"]
EXAMPLES = {"compose.yaml": ".env.example", "worker.yaml": "worker.env.example"}
VALUE = re.compile(r"\$\{(\w+)(:[-?])?([^}]*)\}")
ONE_SHOT = {"deploy"}
MONITORING = {"metrics", "prometheus"}
RESTORE = "store-administrator"
OF_WORKERS = {"PREFECT_AUTH", "NASFLOW_STORE_ACCESS_KEY_ID", "NASFLOW_STORE_SECRET_ACCESS_KEY"}
SECRETS = OF_WORKERS | {
    "POSTGRES_PASSWORD", "SEAWEEDFS_SIGNING_KEY", "STORE_ADMINISTRATOR_ACCESS_KEY_ID",
    "STORE_ADMINISTRATOR_SECRET_ACCESS_KEY", "NASFLOW_ROBOFLOW_API_KEY",
}  # fmt: skip
PREFECT_KEEP_ALIVE_SECONDS = 5
"""What `prefect server start` has by default."""
IMAGES = {"control.Dockerfile", "worker.Dockerfile"}
OF_CHARTS = {
    "HOME", "PREFECT_API_AUTH_STRING", "PREFECT_API_ENABLE_HTTP2", "PREFECT_API_URL", "PREFECT_DEBUG_MODE",
    "PREFECT_INTEGRATIONS_KUBERNETES_OBSERVER_NAMESPACES",
    "PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_AUTH_STRING_SECRET_KEY",
    "PREFECT_INTEGRATIONS_KUBERNETES_WORKER_API_AUTH_STRING_SECRET_NAME", "PREFECT_KUBERNETES_CLUSTER_UID",
    "PREFECT_LOGGING_SERVER_LEVEL", "PREFECT_SERVER_API_AUTH_STRING", "PREFECT_SERVER_API_BASE_PATH",
    "PREFECT_SERVER_API_HOST", "PREFECT_SERVER_API_PORT", "PREFECT_SERVER_DATABASE_CONNECTION_URL",
    "PREFECT_UI_API_URL", "PREFECT_UI_STATIC_DIRECTORY", "PREFECT_WORKER_PREFETCH_SECONDS",
    "PREFECT_WORKER_QUERY_SECONDS",
}  # fmt: skip
"""Variables that Prefect's charts set by themselves, as of August 2026."""


def values_of(name):
    """Name, kind of default and default of each value that a file of Compose takes."""
    return VALUE.findall((FOLDER / name).read_text())


def example(name):
    lines = (FOLDER / name).read_text().splitlines()
    return dict(line.lstrip("# ").split("=", 1) for line in lines if re.match(r"(# )?[A-Z_]+=", line))


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_confined_and_started_again(name):
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert service["restart"] == ("on-failure:5" if name in ONE_SHOT else "unless-stopped")
    assert "privileged" not in service


def test_the_proxy_closes_idle_connections_before_prefect_does():
    """Else a request meets a connection that is being closed, and is answered with 502."""
    prefect = (INFRA / "compose" / "Caddyfile").read_text().partition("{$PREFECT_ADDRESS}")[2]
    assert int(re.search(r"^\s*keepalive (\d+)s$", prefect, re.MULTILINE)[1]) < PREFECT_KEEP_ALIVE_SECONDS


@pytest.mark.parametrize(
    ("installed", "taken"),
    [
        (["python3.11", "python3.13"], "python3.11"),
        (["python3.12", "python3.13"], "python3.12"),
        (["python3.13", "python3.14", "python3"], "python3.13"),
    ],
)
def test_make_takes_a_python_of_this_machine_that_nasflow_runs_on(tmp_path, installed, taken):
    for name in installed:
        (tmp_path / name).symlink_to(sys.executable)
    text = "include Makefile\n$(info $(notdir $(PYTHON)))\nshow: ;\n"
    command = [shutil.which("make") or "make", "--no-print-directory", "--file=-", "show"]
    done = subprocess.run(
        command, input=text, cwd=INFRA.parent, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[0] == taken


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_health_check_in_its_image_or_here(name):
    service = SERVICES[name]
    assert "nasflow-" in service["image"] or "test" in service["healthcheck"]


def test_only_the_proxy_listens_outside_and_the_database_reaches_nothing_there():
    services = COMPOSE["services"]
    ports = {name: one["ports"] for name, one in services.items() if "ports" in one}
    assert ports == {"proxy": ["443:443", "8333:8333"], "prometheus": ["127.0.0.1:9090:9090"]}
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert services["postgres"]["networks"] == services["store"]["networks"] == ["inside"]


def test_a_capability_is_given_only_to_what_does_not_work_without():
    added = {name: one["cap_add"] for name, one in SERVICES.items() if "cap_add" in one}
    assert added == {"proxy": ["NET_BIND_SERVICE"], "store": ["DAC_OVERRIDE"]}


def test_each_gpu_worker_has_a_gpu_and_a_folder_of_its_own():
    workers = GPU_WORKERS["services"].values()
    devices = [one["deploy"]["resources"]["reservations"]["devices"] for one in workers]
    assert [device["device_ids"] for (device,) in devices] == [["0"], ["1"]]
    assert sorted({one["volumes"][0].partition(":")[0] for one in workers}) == sorted(GPU_WORKERS["volumes"])
    assert {name: one.get("profiles") for name, one in GPU_WORKERS["services"].items()} == {
        "gpu-worker": None, "gpu-worker-1": ["gpus-2"]
    }  # fmt: skip
    assert {name for name, one in COMPOSE["services"].items() if "profiles" in one} == MONITORING | {RESTORE}


def test_a_machine_with_gpus_is_given_its_own_keys_and_no_other_secret():
    assert {name for name, _, _ in values_of("worker.yaml")} & SECRETS == OF_WORKERS


def test_only_the_store_and_a_restore_have_the_keys_of_its_administrator():
    with_keys = {name for name, one in SERVICES.items() if "STORE_ADMINISTRATOR" in str(one.get("environment"))}
    assert with_keys == {"store", RESTORE}
    assert RESTORE in (FOLDER / "restore.sh").read_text()


def test_only_what_exports_labels_has_the_key_for_roboflow():
    with_key = {name for name, one in SERVICES.items() if "ROBOFLOW" in str(one.get("environment"))}
    assert with_key == {"control-worker"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_example_names_all_values_and_a_secret_has_none(name):
    named = {value for value, _, _ in values_of(name)}
    values = example(EXAMPLES[name])
    assert named == set(values)
    made = {value for value, default in values.items() if not default or "$" in default}
    assert made == (named & SECRETS) | {"NASFLOW_HOST"}
    assert {value for value, kind, default in values_of(name) if kind == ":-" and default} & SECRETS == set()


@pytest.mark.parametrize("name", EXAMPLES)
def test_defaults_of_images_are_those_of_the_example(name):
    defaults = {value: default for value, kind, default in values_of(name) if value.endswith("_IMAGE")}
    assert defaults == {value: given for value, given in example(EXAMPLES[name]).items() if value.endswith("_IMAGE")}


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_an_image_runs_as_a_user_by_number_has_a_health_check_and_takes_only_the_installed_folder(name):
    text = (INFRA / "images" / name).read_text()
    last = text.rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in last
    assert "\nHEALTHCHECK " in last
    assert re.findall(r"^COPY .*", last, re.MULTILINE) == [
        "COPY infra/images/system.sh /usr/local/sbin/nasflow-system",
        "COPY --from=build /opt/nasflow /opt/nasflow",
    ]
    assert "ADD " not in text


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("images/install.sh", [], "say control or worker"),
        ("images/install.sh", ["gpu"], "install.sh gpu: no such role"),
        ("compose/backup.sh", [], "say backup.sh FOLDER"),
        ("compose/restore.sh", [], "say restore.sh FOLDER"),
        ("compose/restore.sh", ["--database"], "restore.sh --database: not understood"),
        ("compose/restore.sh", ["--database", "/no/such"], "/no/such: no such folder"),
        ("compose/restore.sh", ["/no/such"], "/no/such: no such folder"),
        ("compose/restore.sh", [str(INFRA)], "has no prefect-....dump"),
    ],
)
def test_a_script_says_in_one_line_what_it_did_not_understand(script, arguments, said):
    done = subprocess.run([INFRA / script, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert said in done.stderr


def values_of_chart(name):
    return yaml.safe_load((INFRA / "kubernetes" / f"{name}-values.yaml").read_text())


def test_passwords_reach_kubernetes_by_tls_with_a_secret_that_the_docs_make():
    """`ingress.tls` of the chart has no effect without an annotation for cert-manager, or `selfSigned`."""
    ingress = values_of_chart("prefect-server")["ingress"]
    (tls,) = ingress["extraTls"]
    assert tls["hosts"] == [ingress["host"]["hostname"]]
    docs = (INFRA.parent / "docs" / "deploying.md").read_text()
    assert f"kubectl create secret tls {tls['secretName']} --namespace nasflow " in docs


@pytest.mark.parametrize(("chart", "part"), [("prefect-server", "env"), ("prefect-worker", "extraEnvVars")])
def test_no_variable_of_a_chart_is_given_twice(chart, part):
    """Helm 4 applies on the server, which refuses two of a name."""
    values = values_of_chart(chart)[chart.removeprefix("prefect-")]
    names = [one["name"] for one in values.get(part, [])]
    assert len(names) == len(set(names))
    assert OF_CHARTS.isdisjoint(names)


def test_the_charts_have_no_secret_and_run_the_locked_prefect():
    locked = re.search(r"^prefect==(\S+)", (INFRA / "requirements" / "control.txt").read_text(), re.MULTILINE)[1]
    for path in (INFRA / "kubernetes").glob("*-values.yaml"):
        text = path.read_text()
        assert "authString" not in text
        assert f"prefectTag: {locked}-" in text
