"""``nasflow worker`` on a real Prefect server and a real store, in which each side has keys of its own."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress

import psutil
import pytest

from deployments.demo.cartoons import draw_export
from deployments.local_stack import processes
from deployments.local_stack.supervised import MAX_FAILED_STARTS
from deployments.remote.code_version import VARIABLE, code_version
from deployments.worker.rights import rights
from tasks.settings import TRAINER
from tasks.storage import keys
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tests.fakes.store_roles import store_with_roles
from tests.fakes.waiting import wait_for
from tests.integration.prefect_server import NASFLOW, PrefectServer

PLANTED, PASSWORD = "planted-key-of-a-worker-0815", "planted-password-of-prefect-4712"
EPOCHS = 30


@pytest.fixture(scope="module")
def roles(tmp_path_factory):
    with store_with_roles(tmp_path_factory.mktemp("roles")) as settings:
        yield settings


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with PrefectServer(tmp_path_factory.mktemp("prefect"), auth=f"fleet:{PASSWORD}") as running:
        yield running


def variables_of(settings, work_dir):
    """The environment of a machine with the keys of a role."""
    secret = settings.secret_access_key.get_secret_value()
    values = {
        "endpoint": settings.endpoint, "bucket": settings.bucket, "prefix": settings.prefix,
        "access_key_id": settings.access_key_id, "secret_access_key": secret,
    }  # fmt: skip
    return {
        **{f"NASFLOW_STORE_{name}".upper(): value for name, value in values.items()},
        "NASFLOW_WORK_DIR": str(work_dir), "NASFLOW_LEASE_SECONDS": "6", "NASFLOW_CHECKPOINT_EVERY_MINUTES": "0.05",
        "ROBOFLOW_API_KEY": PLANTED,
    }  # fmt: skip


@contextmanager
def started(server, folder, name, variables, *options):
    """``nasflow worker`` once it says that it has started, and its document."""
    log = folder / f"{name}.log"
    command = [NASFLOW, "worker", "--name", name, "--json", *options]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=output, text=True, env={**server.environment, **variables}
        )
    try:
        lines: list[str] = []
        while (not lines or lines[-1] != "}\n") and (line := process.stdout.readline()):
            lines.append(line)
        assert lines, log.read_text()
        yield process, json.loads("".join(lines))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)
        process.stdout.close()


def online(server, pool):
    workers = server.api(f"/work_pools/{pool}/workers/filter", {})
    return {worker["name"] for worker in workers if worker["status"] == "ONLINE"}


# Rights ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "trains", "status", "words"),
    [
        ("worker", True, "ok", "tried, and refused"),
        ("control", True, "warning", "may write models"),
        ("administrator", True, "warning", "may write and delete models"),
        ("control", False, "ok", "may write runs and models"),
        ("worker", False, "error", "may not write models"),
    ],
)
def test_rights_are_found_out_by_trying_and_nothing_stays_behind(roles, role, trains, status, words):
    store = Store(roles[role].model_copy(update={"prefix": "vision/"}))
    everything = Store(roles["administrator"])
    before = everything.list("")
    found = rights(store, trains=trains)
    assert (found["status"], bool(found["remedy"])) == (status, status != "ok")
    assert words in found["message"]
    assert everything.list("") == before


def test_keys_without_rights_on_runs_are_an_error(roles):
    found = rights(Store(roles["worker"].model_copy(update={"prefix": "others/"})), trains=True)
    assert found["status"] == "error"
    assert "may not write runs, nor read labels, nor read models" in found["message"]


# Refusals ----------------------------------------------------------------------------------------


def refused(server, variables, *options):
    """The checks that keep a worker from starting."""
    document = server.nasflow("worker", *options, code=1, **variables)
    assert (document["ok"], document["workers"]) == (False, [])
    return {check["name"]: check for check in document["checks"] if check["status"] != "ok"}


def test_a_worker_of_another_nasflow_does_not_start(server, roles, tmp_path):
    variables = variables_of(roles["control"], tmp_path)
    server.api(f"/variables/name/{VARIABLE}", {"value": {**code_version(), "recipe": 99}}, method="PATCH")
    try:
        found = refused(server, variables, "--pool", "default")
    finally:
        server.nasflow("deploy")
    assert found["version"]["status"] == "error"
    assert "recipe 99" in found["version"]["message"]


def test_a_pool_that_the_server_does_not_have_is_an_error(server, roles, tmp_path):
    found = refused(server, variables_of(roles["worker"], tmp_path), "--pool", "gpus")
    assert "no work pool gpus" in found["pool"]["message"]


def test_too_wide_rights_keep_a_strict_worker_from_starting(server, roles, tmp_path):
    found = refused(server, variables_of(roles["administrator"], tmp_path), "--pool", "gpu", "--strict")
    assert found["rights"]["status"] == "warning"
    assert "infra/policies/worker.json" in found["rights"]["remedy"]


def test_a_server_that_is_away_is_an_error(server, roles, tmp_path):
    variables = {**variables_of(roles["control"], tmp_path), "PREFECT_API_URL": "http://127.0.0.1:9/api"}
    assert refused(server, variables, "--pool", "default")["server"]["status"] == "error"


# Flow runs ---------------------------------------------------------------------------------------


@pytest.mark.timeout(1200)
def test_a_run_is_handed_over_with_its_checkpoint_and_goes_on_on_another_machine(server, roles, tmp_path):
    """The control side and two machines with a GPU worker each, one after the other; no key is seen anywhere."""
    control, secrets = variables_of(roles["control"], tmp_path / "control"), [PLANTED, PASSWORD]
    secrets += [roles[role].secret_access_key.get_secret_value() for role in ("control", "worker")]
    store = Store(roles["control"])
    draw_export(tmp_path / "labels", 1, train=12, valid=4, test=4, size=96)
    with started(server, tmp_path, "control", control, "--pool", "default") as (_, document):
        assert (document["ok"], document["workers"]) == (True, ["control"])
        asked = server.nasflow(
            "retrain", "--export", str(tmp_path / "labels"), "--project", "handed", "--epochs", str(EPOCHS),
            "--image-size", "64", "--batch-size", "4", "--learning-rate", "0.001", "--patience", "50", "--no-wait",
            **control,
        )  # fmt: skip
        with started(server, tmp_path, "first", variables_of(roles["worker"], tmp_path / "first")) as (first, document):
            checks = {check["name"]: check["status"] for check in document["checks"]}
            assert (checks["rights"], checks["version"], document["workers"]) == ("ok", "ok", ["first"])
            wait_for(lambda: "first" in online(server, "gpu"))
            wait_for(lambda: manifests(store))
            family = psutil.Process(first.pid).children(recursive=True)
            assert_no_secret([" ".join(process.cmdline()) for process in family], secrets)
            (trainer,) = [process for process in family if TRAINER in process.cmdline()]
            assert_no_secret([json.dumps(trainer.environ())], secrets)
            first.send_signal(signal.SIGTERM)
            assert first.wait(120) == 0
            assert [process for process in family if process.is_running()] == []
            (run_key,) = {key.split("/")[1] for key in manifests(store)}
            epochs_kept = int(max(manifests(store)).split("/")[3])
            state = json.loads(store.get(keys.run_state(run_key))[0])
            assert (state["status"], find_model(store, run_key)) == ("released", None)
        with started(server, tmp_path, "second", variables_of(roles["worker"], tmp_path / "second")) as (second, _):
            kill_the_worker_while_it_trains(psutil.Process(second.pid))
            wait_for(lambda: server.state(asked["flow_run"]) in ("Completed", "Failed", "Crashed"))
    assert server.state(asked["flow_run"]) == "Completed"
    result = find_model(store, run_key).result
    assert (result.epochs_done, result.resumed_from_epoch) == (EPOCHS, epochs_kept)
    logs = [log["message"] for log in server.api("/logs/filter", {"limit": 200})]
    runs, artifacts = (server.api(f"/{kind}/filter", {"limit": 200}) for kind in ("flow_runs", "artifacts"))
    files = [path.read_text() for path in tmp_path.glob("*.log")]
    assert len(logs) > 10
    assert_no_secret([*logs, json.dumps(runs), json.dumps(artifacts), *files], secrets)


def kill_the_worker_while_it_trains(parent):
    """The flow run goes on, and no other worker takes a second one beside it."""
    (worker,) = wait_for(lambda: workers_of(parent))
    (flow_run,) = wait_for(worker.children)
    wait_for(flow_run.children)  # its trainer
    worker.kill()
    while not (again := workers_of(parent, without=worker)):
        time.sleep(0.1)
    assert psutil.wait_procs([flow_run], timeout=0)[1] == []
    assert len(again) == 1


def workers_of(parent, without=None):
    return [child for child in parent.children() if child != without and "worker" in command_of(child)]


def command_of(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def manifests(store):
    return [key for key in store.list(keys.all_runs()) if "/checkpoints/" in key and key.endswith("manifest.json")]


def assert_no_secret(texts, secrets):
    assert [secret for secret in secrets if any(secret in text for text in texts)] == []


def test_a_worker_that_is_killed_again_and_again_is_started_again(server, roles, tmp_path):
    """More often than a process of the local stack, since flow runs of other GPUs train on meanwhile."""
    variables = variables_of(roles["control"], tmp_path)
    with started(server, tmp_path, "killed", variables, "--pool", "default") as (process, _):
        parent, killed = psutil.Process(process.pid), []
        for _ in range(MAX_FAILED_STARTS):
            (worker,) = wait_for(lambda: [child for child in workers_of(parent) if child not in killed])
            time.sleep(2)
            worker.kill()
            killed.append(worker)
        assert wait_for(lambda: [child for child in workers_of(parent) if child not in killed])
        assert process.poll() is None
    text = (tmp_path / "killed.log").read_text()
    assert "worker killed was killed by signal 9; starting it again in 1 s; see the lines above" in text
    assert "starting it again in 16 s" in text


def test_a_worker_that_is_alone_answers_whether_it_asks_for_runs(server, roles, tmp_path):
    port = processes.free_port()
    address = {"PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1", "PREFECT_WORKER_WEBSERVER_PORT": str(port)}
    variables = variables_of(roles["control"], tmp_path) | address

    def health():
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return answer.status

    with started(server, tmp_path, "healthy", variables, "--pool", "default"):
        assert wait_for(health) == 200
    assert health() is None


TWO_PLACES = """
import sys
from deployments.cli.interrupt import stop_like_ctrl_c
from deployments.worker.places import training_places
from deployments.worker.worker import run_until_stopped
stop_like_ctrl_c()
run_until_stopped("gpu", training_places("pair", ["a GPU", "another"], "", "each"))
"""


def test_each_gpu_of_a_machine_has_a_worker_that_sees_it_alone(server, tmp_path):
    """With names of GPUs for GPUs."""
    command, environment = [sys.executable, "-c", TWO_PLACES], {**server.environment, "CUDA_VISIBLE_DEVICES": ""}
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log, env=environment)
    try:
        wait_for(lambda: online(server, "gpu") >= {"pair-gpu-0", "pair-gpu-1"})
        workers = workers_of(psutil.Process(process.pid))
        names = [command_of(worker)[command_of(worker).index("--name") + 1] for worker in workers]
        devices = [worker.environ()["CUDA_VISIBLE_DEVICES"] for worker in workers]
        limits = {command_of(worker)[command_of(worker).index("--limit") + 1] for worker in workers}
        assert sorted(zip(names, devices, strict=True)) == [("pair-gpu-0", "0"), ("pair-gpu-1", "1")]
        assert limits == {"1"}
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0
    assert [worker for worker in workers if worker.is_running()] == []
