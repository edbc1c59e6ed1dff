"""What ``nasflow doctor`` finds on a Prefect server, with real pools, schedules, runs, events and workers."""

import socket
import threading
import time
import uuid
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.doctor.automations import automations
from deployments.doctor.backup import backup
from deployments.doctor.clock import clock, verdict
from deployments.doctor.flow_runs import silent_runs, waiting_runs
from deployments.doctor.leases import lease_storage
from deployments.doctor.schedules import schedules
from deployments.doctor.server import server_checks
from deployments.doctor.slowest_step import slowest_step
from deployments.doctor.version import compared, version
from deployments.doctor.workers import workers
from deployments.remote import last_backup
from deployments.remote.code_version import VARIABLE, code_version
from deployments.remote.last_backup import VARIABLE as VARIABLE_OF_BACKUP
from deployments.remote.last_backup import remember_backup
from deployments.remote.variables import set_variable
from tests.fakes.waiting import wait_for


@pytest.fixture
def client(prefect_server):
    with temporary_settings({PREFECT_API_URL: prefect_server.url}), get_client(sync_client=True) as client:
        yield client


@contextmanager
def changed(server, path, values):
    """Something of the server with other values, for the duration of a block."""
    before = server.api(path)
    server.api(path, values, method="PATCH")
    try:
        yield
    finally:
        server.api(path, {name: before[name] for name in values}, method="PATCH")


# Workers -----------------------------------------------------------------------------------------


def test_pools_without_an_online_worker_are_found_until_one_starts(prefect_server, client):
    found = workers(client)
    assert found["status"] == "warning"
    assert "work pool gpu has no online worker" in found["message"]
    assert "nasflow worker --pool" in found["remedy"]
    with prefect_server.worker("gpu", "doctor"):
        wait_for(lambda: "work pool gpu has no online worker" not in workers(client)["message"])


def test_a_queue_that_no_worker_takes_is_found(prefect_server, client, monkeypatch):
    """A worker that was started for other queues is online, and runs of this one wait for ever."""
    monkeypatch.setattr("deployments.doctor.workers.NOT_TAKEN", timedelta(seconds=20))
    path = "/work_pools/gpu/queues/default"
    with prefect_server.worker("gpu", "others"):
        words = "no worker takes queue default of work pool gpu: start one without --work-queue"
        wait_for(lambda: words in workers(client)["message"])
        assert "queue others" not in workers(client)["message"]
        with changed(prefect_server, path, {"is_paused": True}):
            assert words not in workers(client)["message"]
    with prefect_server.worker("gpu"):
        wait_for(lambda: "work pool gpu" not in workers(client)["message"])


@pytest.mark.parametrize(
    ("path", "values", "words"),
    [
        ("/work_pools/gpu", {"is_paused": True}, "work pool gpu is paused"),
        ("/work_pools/gpu/queues/default", {"is_paused": True}, "queue default of work pool gpu is paused"),
        ("/deployments/{train/train}", {"paused": True}, "deployment train/train is paused"),
    ],
)
def test_what_is_paused_is_found(prefect_server, client, path, values, words):
    deployment = prefect_server.api("/deployments/name/train/train")["id"]
    with changed(prefect_server, path.replace("{train/train}", deployment), values):
        assert words in workers(client)["message"]
    assert words not in workers(client)["message"]


def test_a_deployment_whose_queue_was_deleted_has_no_pool_until_it_is_deployed_again(prefect_server, client):
    words = "deployment supervise/supervise is missing a work pool: its pool or its queue was deleted"
    assert words not in workers(client)["message"]
    prefect_server.api("/work_pools/default/queues/supervise", method="DELETE")
    assert words in workers(client)["message"]
    prefect_server.nasflow("deploy")
    assert words not in workers(client)["message"]


def test_a_run_that_waits_for_a_queue_that_was_deleted_is_found(prefect_server, client):
    prefect_server.api("/work_pools/gpu/queues", {"name": "gone"})
    options = {"work_queue_name": "gone", "enforce_parameter_schema": False}
    other = prefect_server.ask_for("evaluate/evaluate", {}, enforce_parameter_schema=False)
    run = prefect_server.ask_for("evaluate/evaluate", {}, **options)
    prefect_server.api("/work_pools/gpu/queues/gone", method="DELETE")
    prefect_server.api("/work_pools/gpu/queues", {"name": "gone"})  # which does not get it back
    try:
        # By the server's time, of whole seconds, it is due a moment later.
        found = wait_for(lambda: (seen := waiting_runs(client))["status"] != "ok" and seen)
        assert found["status"] == "warning"
        assert f"({run}): its work pool or queue was deleted, so that no worker takes it" in found["message"]
        assert str(other) not in found["message"]
        assert "nasflow runs cancel" in found["remedy"]
    finally:
        for one in (run, other):
            prefect_server.nasflow("runs", "cancel", one)
    assert waiting_runs(client)["status"] == "ok"


# Backups -----------------------------------------------------------------------------------------


def test_a_backup_that_is_more_than_two_days_old_is_a_warning(client):
    assert backup(client)["status"] == "ok"
    assert "has made none" in backup(client)["message"]
    try:
        remember_backup(client, datetime.now(UTC) - timedelta(hours=47, minutes=1))
        assert (backup(client)["status"], backup(client)["message"][-13:]) == ("ok", " 47 hours ago")
        begun = datetime.now(UTC) - timedelta(days=2, hours=1, minutes=1)
        remember_backup(client, begun)
        found = backup(client)
        assert (found["status"], bool(found["remedy"])) == ("warning", True)
        assert found["message"] == f"the newest one was begun at {begun:%Y-%m-%d %H:%M} UTC, 49 hours ago"
        set_variable(client, VARIABLE_OF_BACKUP, "yesterday")  # as people may
        assert backup(client)["status"] == "ok"
    finally:
        client.delete_variable_by_name(VARIABLE_OF_BACKUP)


@pytest.mark.parametrize("arguments", [[], ["yesterday"], ["2026-01-01"], ["2026-01-01T00:00:00"], ["a", "b"]])
def test_a_backup_without_a_time_is_refused(arguments, capsys):
    assert last_backup.main(arguments) == 2
    assert capsys.readouterr().err.startswith("error: ")


# Version -----------------------------------------------------------------------------------------


def test_a_server_tells_with_which_nasflow_it_was_deployed(prefect_server, client):
    assert version(client)["status"] == "ok"
    other = {**code_version(), "nasflow": "0.0.9"}
    with changed(prefect_server, f"/variables/name/{VARIABLE}", {"value": other}):
        found = version(client)
        assert found["status"] == "error"
        assert "nasflow 0.0.9" in found["message"]
        prefect_server.nasflow("deploy")
        assert version(client)["status"] == "ok"


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"nasflow": "9"}, "error"), ({"recipe": 99}, "error"), ({"scoring": 99}, "error"), ({"code": "0"}, "warning")],
)
def test_other_code_of_the_same_version_is_a_warning_and_all_else_an_error(changes, status):
    found = compared(code_version(), {**code_version(), **changes})
    assert (found["status"], bool(found["remedy"])) == (status, True)
    assert compared(code_version(), None)["status"] == "warning"


# Schedules, automations and leases ---------------------------------------------------------------


def test_an_active_schedule_without_a_request_is_an_error(prefect_server, client):
    assert schedules(client)["status"] == "ok"
    deployment = prefect_server.api("/deployments/name/retrain/retrain")["id"]
    times = {"schedule": {"cron": "0 3 * * *", "timezone": "UTC"}, "slug": "by-hand"}
    (made,) = prefect_server.api(f"/deployments/{deployment}/schedules", [{**times, "active": True}])
    path = f"/deployments/{deployment}/schedules/{made['id']}"
    try:
        found = schedules(client)
        assert (found["status"], bool(found["remedy"])) == ("error", True)
        assert "schedule by-hand of retrain/retrain is switched on without a request" in found["message"]
        parameters = {"request": {"project": "pets", "workspace": "acme"}}
        prefect_server.api(path, {**times, "active": True, "parameters": parameters}, method="PATCH")
        assert schedules(client)["status"] == "ok"
    finally:
        prefect_server.api(path, method="DELETE")


def test_missing_and_switched_off_automations_are_found(prefect_server, client):
    name = f"nasflow: {uuid.uuid4().hex}"
    assert f"'{name}' is missing" in automations(client, [name])["message"]
    trigger = {"type": "event", "posture": "Reactive", "expect": ["nothing.ever"], "threshold": 1, "within": 0}
    action = {"type": "do-nothing"}
    made = prefect_server.api("/automations/", {"name": name, "trigger": trigger, "actions": [action]})["id"]
    assert automations(client, [name])["status"] == "ok"
    prefect_server.api(f"/automations/{made}", {"enabled": False}, method="PATCH")
    assert f"'{name}' is switched off" in automations(client, [name])["message"]


def test_leases_in_memory_are_found(client):
    found = lease_storage(client)
    assert found["status"] == "warning"
    assert "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE" in found["remedy"]


# Flow runs ---------------------------------------------------------------------------------------


def test_a_running_flow_run_without_a_heartbeat_is_found_and_one_with_is_not(prefect_server, client):
    alive, silent = (prefect_server.ask_for("retrain/retrain", {"request": {"project": "pets"}}) for _ in range(2))
    for run in (alive, silent):
        prefect_server.set_state(run, "RUNNING")
    assert silent not in silent_runs(client)["message"]
    began = datetime.fromisoformat(prefect_server.api(f"/flow_runs/{silent}")["state"]["timestamp"])
    later = began + timedelta(minutes=3, seconds=2)
    assert all(run in silent_runs(client, later)["message"] for run in (alive, silent))
    event = {
        "id": str(uuid.uuid4()),
        "event": "prefect.flow-run.heartbeat",
        "occurred": (began + timedelta(seconds=5)).isoformat(),
        "resource": {"prefect.resource.id": f"prefect.flow-run.{alive}"},
    }
    prefect_server.api("/events", [event])
    wait_for(lambda: alive not in silent_runs(client, later)["message"])
    found = silent_runs(client, later)
    assert found["status"] == "warning"
    assert f"({silent}) shows no sign of life for 3 minutes" in found["message"]
    # Without the deployment's setting a run has a heartbeat each three minutes, and three may be missed.
    deployment = prefect_server.api("/deployments/name/retrain/retrain")["id"]
    with changed(prefect_server, f"/deployments/{deployment}", {"job_variables": {}}):
        assert silent not in silent_runs(client, later)["message"]
        found = silent_runs(client, began + timedelta(minutes=9, seconds=2))
        assert silent in found["message"]
        assert "does not set PREFECT_FLOWS_HEARTBEAT_FREQUENCY: run `nasflow deploy` again" in found["remedy"]
    for run in (alive, silent):
        prefect_server.set_state(run, "CANCELLED")
    assert silent not in silent_runs(client, later)["message"]


def test_a_run_that_waits_to_be_tried_again_is_found_with_its_message(prefect_server, client):
    run = prefect_server.ask_for("retrain/retrain", {"request": {"project": "pets"}})
    prefect_server.set_state(run, "SCHEDULED", "AwaitingRetry", "StoreUnavailable: the store does not answer")
    found = waiting_runs(client)
    assert found["status"] == "warning"
    assert f"({run}): StoreUnavailable: the store does not answer" in found["message"]
    prefect_server.set_state(run, "CANCELLED")
    assert run not in waiting_runs(client)["message"]


# Clocks ------------------------------------------------------------------------------------------


@contextmanager
def store_with_clock(ahead):
    """A server that refuses all requests, as a store without rights does, with a wrong clock."""

    class Handler(BaseHTTPRequestHandler):
        def date_time_string(self, timestamp=None):
            return super().date_time_string((datetime.now(UTC) + ahead).timestamp())

        def do_GET(self):
            self.send_error(403)

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_store_whose_clock_is_off_is_found(client, monkeypatch):
    with store_with_clock(timedelta(minutes=20)) as endpoint:
        monkeypatch.setenv("NASFLOW_STORE_ENDPOINT", endpoint)
        found = clock()
    assert found["status"] == "warning"
    assert "the clock of the store is 1" in found["message"]
    assert "ahead" in found["message"]


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        ({}, "not compared"),
        ({"the Prefect server": 59.0}, "agrees with the Prefect server"),
        ({"the Prefect server": 61.0}, "the Prefect server is 61 s ahead of this machine"),
        ({"the Prefect server": 600.0, "the store": 610.0}, "this machine's clock is 600 s behind"),
        ({"the Prefect server": -600.0, "the store": 1.0}, "the clock of the Prefect server is 600 s behind"),
        ({"the Prefect server": -600.0, "the store": 600.0}, "clocks differ"),
    ],
)
def test_the_clock_that_is_off_is_named(ahead, words):
    found = verdict(ahead)
    assert words in found["message"]
    assert (found["status"] == "warning") == bool(found["remedy"])


# Servers that do not answer ------------------------------------------------------------------------


def test_a_server_that_takes_connections_and_never_answers_is_one_error():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: url}):
            (found,) = server_checks()
    assert (found["name"], found["status"]) == ("server", "error")
    assert found["remedy"]


def test_all_checks_of_a_server_that_answers(prefect_server):
    checks = {check["name"]: check for check in prefect_server.nasflow("doctor", code=1)["checks"]}
    of_server = ["server", "version", "workers", "schedules", "running", "waiting", "leases", "automations"]
    assert list(checks)[5:] == [*of_server, "slowest step", "backup", "clock", "roboflow"]
    assert checks["server"]["status"] == "ok"
    assert checks["clock"]["message"] == "agrees with the Prefect server"
    assert all(check["remedy"] for check in checks.values() if check["status"] != "ok")


# Where time went ---------------------------------------------------------------------------------


def set_state(server, run, kind, name):
    """A state of a flow run, as its worker and its process report it."""
    server.api(f"/flow_runs/{run}/set_state", {"state": {"type": kind, "name": name}, "force": True})


def test_the_slowest_step_that_need_not_have_been_is_named_with_its_remedy(prefect_server, client, monkeypatch):
    assert slowest_step(client)["status"] == "ok"
    deployment = prefect_server.api("/deployments/name/retrain/retrain")["id"]
    parameters = {"request": {"project": "pets", "workspace": "acme"}}
    run = prefect_server.api(f"/deployments/{deployment}/create_flow_run", {"parameters": parameters})
    time.sleep(1.5)  # until a worker takes it
    for kind, name in (("PENDING", "Pending"), ("RUNNING", "Running"), ("COMPLETED", "Completed")):
        set_state(prefect_server, run["id"], kind, name)
    assert slowest_step(client)["status"] == "ok"  # a second and a half is not worth a thought
    monkeypatch.setattr("deployments.doctor.slowest_step.MIN_SECONDS", 1.0)
    found = slowest_step(client)
    assert (found["name"], found["status"]) == ("slowest step", "warning")
    assert found["message"].startswith(f"run {run['name']}: wait for a worker took ")
    assert "PREFECT_WORKER_QUERY_SECONDS" in found["remedy"]
