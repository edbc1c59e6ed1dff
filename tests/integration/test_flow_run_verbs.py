"""``nasflow runs``: list, show, cancel and retry, against a real Prefect server and a real worker."""

import json
import subprocess
import uuid
from datetime import UTC, datetime
from functools import partial

import pytest

from tests.fakes.waiting import wait_for
from tests.integration.prefect_server import NASFLOW

SIGNALLED = [
    "Crash detected! Execution was aborted by a termination signal.",
    "Finished in state Crashed('Execution was aborted by a termination signal.')",
]
"""What Prefect logs for a step or run that SIGTERM ends, so also where a person cancels it."""
SPEC = {
    "snapshot_digest": "a" * 64, "classes": ["cat"], "variant": "s", "epochs": 1, "image_size": 64, "batch_size": 1,
    "learning_rate": 0.001, "patience": 1, "seed": 0,
}  # fmt: skip


@pytest.fixture
def project():
    """A project that no other test has runs of."""
    return f"pets-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def asked(prefect_server, project):
    """Ask for a retrain run of the project."""
    return lambda: prefect_server.ask_for("retrain/retrain", {"request": {"project": project, "epochs": 7}})


def error_of(server, *arguments, code):
    done = server.run("runs", *arguments, "--json")
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    content = json.loads(done.stdout)
    assert content == {"ok": False, "error": line.removeprefix("error: ")}
    return content["error"]


def names_of(server, *arguments):
    return [run["flow_run"] for run in server.nasflow("runs", "list", *arguments)["runs"]]


def with_child_run(server, parent):
    """Id of a train run that a run asked for, in the way in which Prefect links the two."""
    task = {"flow_run_id": parent, "task_key": "run_deployment", "dynamic_key": uuid.uuid4().hex, "name": "train"}
    dummy = server.api("/task_runs/", {**task, "state": {"type": "RUNNING", "name": "Running"}})["id"]
    return server.ask_for("train/train", {"job": {"spec": SPEC}}, parent_task_run_id=dummy)


# list --------------------------------------------------------------------------------------------


def test_runs_are_listed_newest_first_by_project_and_state(prefect_server, project, asked):
    old, middle, new = asked(), asked(), asked()
    prefect_server.set_state(middle, "RUNNING")
    prefect_server.set_state(old, "FAILED", message="BadExport: no labels")
    assert names_of(prefect_server, "--project", project) == [new, middle, old]
    assert names_of(prefect_server, "--project", project, "--limit", "2") == [new, middle]
    assert names_of(prefect_server, "--project", project, "--state", "waiting") == [new]
    assert names_of(prefect_server, "--project", project, "--state", "running") == [middle]
    assert names_of(prefect_server, "--project", project, "--state", "failed") == [old]
    assert names_of(prefect_server, "--project", "no-such") == []
    assert set(names_of(prefect_server)) >= {old, middle, new}
    (row,) = prefect_server.nasflow("runs", "list", "--project", project, "--state", "failed")["runs"]
    assert (row["flow"], row["project"], row["flow_run_state"]) == ("retrain", project, "Failed")
    assert row["message"] == "BadExport: no labels"


def test_people_see_child_runs_with_their_progress_below_a_run_that_goes_on(prefect_server, project, asked):
    run = asked()
    prefect_server.set_state(run, "RUNNING")
    child = with_child_run(prefect_server, run)
    prefect_server.set_state(child, "RUNNING")
    bar = {"type": "progress", "data": 42.0, "description": "epoch 3 of 7, 0:02:10 left", "flow_run_id": child}
    prefect_server.api("/artifacts/", bar)

    (row,) = prefect_server.nasflow("runs", "list", "--project", project)["runs"]
    assert row["progress"] == {"percent": 42.0, "text": "epoch 3 of 7, 0:02:10 left"}
    assert [(one["flow"], one["flow_run"]) for one in row["child_runs"]] == [("train", child)]

    table = prefect_server.run("runs", "list", "--project", project, COLUMNS="200").stdout
    lines = [line for line in table.splitlines() if "42 %, epoch 3 of 7, 0:02:10 left" in line]
    assert [run[:8] in lines[0], child[:8] in lines[1]] == [True, True]
    assert "│   train " in lines[1]

    prefect_server.set_state(run, "COMPLETED")
    assert child[:8] not in prefect_server.run("runs", "list", "--project", project, COLUMNS="200").stdout


def test_a_full_bar_is_no_progress_of_a_run_that_goes_on_with_its_next_step(prefect_server, project, asked):
    run = asked()
    prefect_server.set_state(run, "RUNNING")
    child = with_child_run(prefect_server, run)
    prefect_server.set_state(child, "RUNNING")
    bar = {"type": "progress", "data": 57.0, "description": "epoch 4 of 7, ended early", "flow_run_id": child}
    prefect_server.api("/artifacts/", bar)
    prefect_server.api("/artifacts/", {**bar, "data": 100.0, "description": "14 of 14 images"})
    (row,) = prefect_server.nasflow("runs", "list", "--project", project)["runs"]
    assert [one["progress"] for one in (row, *row["child_runs"])] == [None, None]


def test_runs_of_other_flows_are_left_out(prefect_server):
    flow = prefect_server.api("/flows/", {"name": "somebody-elses"})["id"]
    other = prefect_server.api("/flow_runs/", {"flow_id": flow, "name": "not-ours", "tags": ["nasflow"]})["id"]
    assert other not in names_of(prefect_server, "--limit", "200")
    assert "no such flow run of nasflow" in error_of(prefect_server, "cancel", other, code=2)


def test_times_are_of_this_machines_time_zone(prefect_server, project, asked):
    prefect_server.set_state(asked(), "RUNNING")
    arguments = ("runs", "list", "--project", project)
    shown = [prefect_server.run(*arguments, COLUMNS="200", TZ=zone).stdout for zone in ("UTC", "Asia/Kathmandu")]
    (began,) = [run["began"] for run in prefect_server.nasflow(*arguments)["runs"]]
    assert began[:10] + " " + began[11:19] in shown[0]
    assert began[11:19] not in shown[1]


# show --------------------------------------------------------------------------------------------


def log(server, run, level, message, minute):
    time = f"2026-01-01T00:{minute:02d}:00+00:00"
    entry = {"name": "prefect.task_runs", "level": level, "message": message, "timestamp": time, "flow_run_id": run}
    server.api("/logs/", [entry])


def warnings_of(server, run):
    return [warning["message"] for warning in server.nasflow("runs", "show", run)["warnings"]]


@pytest.mark.parametrize("end", ["COMPLETED", "CANCELLED", "RUNNING"])
def test_that_a_signal_ended_an_earlier_attempt_is_no_warning_of_a_run(prefect_server, asked, end):
    run = asked()
    prefect_server.set_state(run, "RUNNING")
    child = with_child_run(prefect_server, run)
    for one in (run, child):
        for message in SIGNALLED:
            log(prefect_server, one, 40, message, 1)
        prefect_server.set_state(one, end)
    log(prefect_server, child, 30, "the disk is nearly full", 2)
    log(prefect_server, child, 20, "an epoch", 3)
    assert warnings_of(prefect_server, run) == ["the disk is nearly full"]


def test_a_run_that_a_signal_ended_says_so(prefect_server, asked):
    run = asked()
    prefect_server.set_state(run, "RUNNING")
    prefect_server.set_state(run, "CRASHED")
    for minute, message in enumerate(SIGNALLED):
        log(prefect_server, run, 40, message, minute)
    assert warnings_of(prefect_server, run) == SIGNALLED


def test_what_is_left_out_takes_no_place_of_the_last_ten_warnings(prefect_server, asked):
    run = asked()
    for minute in range(12):
        log(prefect_server, run, 30, f"warning {minute}", minute)
    for minute in range(20, 32):
        log(prefect_server, run, 40, SIGNALLED[minute % 2], minute)
    assert warnings_of(prefect_server, run) == [f"warning {minute}" for minute in range(2, 12)]


# Naming a run ------------------------------------------------------------------------------------


def test_a_run_is_found_by_id_beginning_and_name(prefect_server, asked):
    run = asked()
    name = prefect_server.api(f"/flow_runs/{run}")["name"]
    for which in (run, run[:8], run[:8].upper(), name):
        document = prefect_server.nasflow("runs", "show", which)
        assert (document["flow_run"], document["request"]["epochs"]) == (run, 7)
        assert document["can"] == ["cancel"]


def test_an_ambiguous_name_lists_the_candidates(prefect_server, asked, project):
    runs = [asked(), asked()]
    for run in runs:
        prefect_server.api(f"/flow_runs/{run}", {"name": f"twin-{project}"}, method="PATCH")
    message = error_of(prefect_server, "show", f"twin-{project}", code=2)
    assert "means 2 flow runs" in message
    assert all(run in message for run in runs)


@pytest.mark.parametrize("which", ["no-such-run", "ffffffff", str(uuid.UUID(int=7))])
@pytest.mark.parametrize("verb", ["show", "cancel", "retry"])
def test_no_such_run_is_one_line(prefect_server, verb, which):
    assert "no such flow run" in error_of(prefect_server, verb, which, code=2)


@pytest.mark.parametrize("arguments", [["list"], ["show", "x"], ["cancel", "x"], ["retry", "x"]])
def test_a_server_that_is_away_is_one_line(prefect_server, arguments):
    done = prefect_server.run("runs", *arguments, "--json", PREFECT_API_URL="http://me:planted@127.0.0.1:9/api")
    assert done.returncode == 1
    assert "is PREFECT_API_URL right, and the server up?" in json.loads(done.stdout)["error"]
    assert len(done.stderr.splitlines()) == 1
    assert "planted" not in done.stdout + done.stderr


# cancel ------------------------------------------------------------------------------------------


def test_a_run_that_has_not_started_is_cancelled_at_once(prefect_server, asked):
    run = asked()
    assert prefect_server.nasflow("runs", "cancel", run)["flow_run_state"] == "Cancelled"
    assert prefect_server.state(run) == "Cancelled"
    assert "has ended, Cancelled: there is nothing to cancel" in error_of(prefect_server, "cancel", run, code=1)


def test_child_runs_are_cancelled_with_their_parent(prefect_server, asked):
    run = asked()
    prefect_server.set_state(run, "RUNNING")
    waiting, running, finished = (with_child_run(prefect_server, run) for _ in range(3))
    prefect_server.set_state(running, "RUNNING")
    prefect_server.set_state(finished, "COMPLETED")
    document = prefect_server.nasflow("runs", "cancel", run, "--no-wait")
    assert document["flow_run_state"] == "Cancelling"
    assert {child["flow_run"] for child in document["child_runs"]} == {waiting, running}
    states = [prefect_server.state(one) for one in (run, waiting, running, finished)]
    assert states == ["Cancelling", "Cancelled", "Cancelling", "Completed"]


# retry -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["SCHEDULED", "RUNNING", "COMPLETED"])
def test_a_run_that_goes_on_or_completed_is_not_retried(prefect_server, asked, state):
    run = asked()
    prefect_server.set_state(run, state)
    message = error_of(prefect_server, "retry", run, code=1)
    assert ("ask for a new one with `nasflow retrain`" if state == "COMPLETED" else "runs cancel") in message
    assert prefect_server.state(run) == state.capitalize()


@pytest.mark.parametrize("state", ["FAILED", "CRASHED", "CANCELLED"])
def test_a_run_that_ended_badly_is_scheduled_again_and_can_be_cancelled(prefect_server, asked, state):
    run = asked()
    # Prefect remembers the process of the first attempt, for which it would wait minutes.
    prefect_server.api(f"/flow_runs/{run}", {"infrastructure_pid": "a-lost-worker:4711"}, method="PATCH")
    prefect_server.set_state(run, state)
    assert prefect_server.nasflow("runs", "show", run)["can"] == ["retry"]
    document = prefect_server.nasflow("runs", "retry", run)
    assert (document["flow_run"], document["flow_run_state"]) == (run, "AwaitingRetry")
    assert "is AwaitingRetry: only a run that has ended can be retried" in error_of(
        prefect_server, "retry", run, code=1
    )
    assert prefect_server.nasflow("runs", "cancel", run)["flow_run_state"] == "Cancelled"


def test_a_run_cancelled_just_now_starts_when_no_worker_hears_of_that_any_more(prefect_server, asked):
    run = asked()
    for state in ("RUNNING", "CANCELLING", "CANCELLED"):
        prefect_server.set_state(run, state)
    states = prefect_server.api(f"/flow_run_states/?flow_run_id={run}")
    (asked_at,) = [datetime.fromisoformat(one["timestamp"]) for one in states if one["type"] == "CANCELLING"]
    shown = prefect_server.run("runs", "retry", run)
    assert (shown.returncode, "since workers still hear that it was cancelled" in shown.stderr) == (0, True)
    due = datetime.fromisoformat(prefect_server.api(f"/flow_runs/{run}")["next_scheduled_start_time"])
    # A worker takes a run 10 s before it is due, and hears the events of the last 60 s then.
    assert 75 <= (due - asked_at).total_seconds() <= 120


def test_a_run_that_was_not_cancelled_starts_at_once(prefect_server, asked):
    run = asked()
    prefect_server.set_state(run, "FAILED")
    assert prefect_server.nasflow("runs", "retry", run)["not_before"] is None
    due = datetime.fromisoformat(prefect_server.api(f"/flow_runs/{run}")["next_scheduled_start_time"])
    assert due <= datetime.now(UTC)


def test_a_run_whose_deployment_is_gone_is_not_retried(prefect_server, project):
    shipped = prefect_server.api("/deployments/name/retrain/retrain")
    copy = {name: shipped[name] for name in ("flow_id", "entrypoint", "tags", "parameter_openapi_schema")}
    deployment = prefect_server.api("/deployments/", {**copy, "name": project})["id"]
    run = prefect_server.ask_for(f"retrain/{project}", {"request": {"project": project}})
    prefect_server.set_state(run, "FAILED")
    prefect_server.api(f"/deployments/{deployment}", method="DELETE")
    message = error_of(prefect_server, "retry", run, code=2)
    assert "its deployment does not exist any more; run `nasflow deploy`" in message
    assert prefect_server.state(run) == "Failed"


def test_a_worker_takes_a_retried_run_under_its_id(prefect_server, project):
    with prefect_server.worker("default", project):
        request = {"project": project, "export": "no-such-folder"}
        run = prefect_server.ask_for("retrain/retrain", {"request": request}, work_queue_name=project)
        wait_for(lambda: prefect_server.state(run) == "Failed")
        # The server records steps and heartbeats a moment after the state of the run.
        first = wait_for(
            lambda: (
                (shown := prefect_server.nasflow("runs", "show", run))["last_heartbeat"]
                and len(shown["steps"]) == 2
                and shown
            )
        )
        assert first["attempts"] == 1
        assert [step["name"] for step in first["steps"]] == ["look for another run", "export labels"]
        assert any("NASFLOW_STORE_ENDPOINT" in warning["message"] for warning in first["warnings"])
        assert "NASFLOW_STORE_ENDPOINT" in first["message"]
        prefect_server.nasflow("runs", "retry", run)
        wait_for(lambda: prefect_server.api(f"/flow_runs/{run}")["run_count"] == 2)
        wait_for(lambda: prefect_server.state(run) == "Failed")
    shown = prefect_server.run("runs", "show", run)
    assert f"to retry it: nasflow runs retry {run[:8]}" in shown.stderr
    assert "error: " in shown.stderr


# Following a run ---------------------------------------------------------------------------------


def says(file, words):
    return words in file.read_text()


def test_who_follows_a_run_without_a_terminal_reads_a_line_a_step(prefect_server, project, tmp_path):
    environment = {
        **prefect_server.environment, "NASFLOW_STORE_ENDPOINT": "http://127.0.0.1:9", "NASFLOW_STORE_BUCKET": "vision",
        "NASFLOW_STORE_ACCESS_KEY_ID": "key", "NASFLOW_STORE_SECRET_ACCESS_KEY": "secret",
    }  # fmt: skip
    command = [NASFLOW, "retrain", "--workspace", "acme", "--project", project]
    said = tmp_path / "stderr"
    with said.open("w") as stderr, subprocess.Popen(command, env=environment, stderr=stderr) as process:
        run = wait_for(lambda: next(iter(names_of(prefect_server, "--project", project)), None))
        name = prefect_server.api(f"/flow_runs/{run}")["name"]
        wait_for(partial(says, said, f"\n{name}: "))
        prefect_server.set_state(run, "RUNNING")
        for step in ("export labels", "check labels"):
            task = {"flow_run_id": run, "task_key": step, "dynamic_key": step, "name": f"{step}-1a2"}
            prefect_server.api("/task_runs/", {**task, "state": {"type": "RUNNING", "name": "Running"}})
            wait_for(partial(says, said, step))
        prefect_server.set_state(run, "FAILED", message="BadExport: no labels")
        process.wait(60)
    first, *steps, last = said.read_text().splitlines()
    assert first.startswith(f"flow run {name}: ")
    assert [line for line in steps if not line.startswith(f"{name}: ")] == ["export labels", "check labels"]
    assert last.endswith("ended Failed: BadExport: no labels")
    assert process.returncode == 1
