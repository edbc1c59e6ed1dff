"""Schedules on a real server: set, replaced, paused and removed; late runs collapse into one."""

import json
import urllib.error
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.stack import TINY
from tests.fakes.waiting import wait_for


def retrain_deployment(stack):
    return stack.api("/deployments/name/retrain/retrain")


def runs_of(stack, slug, *states):
    """Runs that the schedule made, in the order in which they are due; of these types of state, or of all."""
    filters = {
        "deployment_id": {"any_": [retrain_deployment(stack)["id"]]},
        "state": {"type": {"any_": states or None}},
    }
    runs = stack.api("/flow_runs/filter", {"flow_runs": filters, "sort": "EXPECTED_START_TIME_ASC", "limit": 200})
    return [run for run in runs if (run["created_by"] or {}).get("display_value") == slug]


def schedule_of(stack, slug):
    return next((row for row in stack.nasflow("schedule", "list")["schedules"] if row["slug"] == slug), None)


def make_late_runs(stack, count, hour=0):
    """Have the server make runs of all schedules that were due in the first minutes of this hour of yesterday."""
    first = datetime.now(UTC).replace(hour=hour, minute=0, second=0, microsecond=0) - timedelta(days=1)
    last = first + timedelta(minutes=count - 1)
    times = {"start_time": first.isoformat(), "end_time": last.isoformat(), "min_time": 0.0}
    path = f"/deployments/{retrain_deployment(stack)['id']}/schedule"
    stack.api(path, {**times, "min_runs": count, "max_runs": count})


@pytest.fixture
def remove(stack):
    names: list[str] = []
    yield names.append
    for name in names:
        stack.run("schedule", "remove", name)


def test_a_schedule_is_set_replaced_paused_and_removed(stack, remove):
    remove("birds")
    night = ["--cron", "0 3 * * *", "--timezone", "Europe/Berlin"]
    options = ["--workspace", "acme", "--epochs", "5", "--min-gain", "0.01"]
    first = stack.nasflow("schedule", "set", "birds", *night, *options)
    assert (first["slug"], first["when"], first["timezone"]) == ("nasflow-birds", "0 3 * * *", "Europe/Berlin")
    assert len(first["next"]) == 3
    assert {time[11:16] for time in first["next"]} == {"03:00"}
    assert not first["replaced"]

    # Prefect makes the next runs in advance, with the request, and those times are the ones that were shown.
    waiting = runs_of(stack, "nasflow-birds", "SCHEDULED")
    assert waiting
    assert waiting[0]["parameters"]["request"]["epochs"] == 5
    assert waiting[0]["parameters"]["request"]["gate"]["min_gain"] == 0.01

    again = stack.nasflow("schedule", "set", "birds", *night, *options)
    assert (again["replaced"], again["changes"]) == (True, [])

    changed = stack.nasflow("schedule", "set", "birds", "--every", "6h", "--timezone", "UTC", "--workspace", "acme")
    assert "epochs: 5 before, 100 now" in changed["changes"]
    assert "when: 0 3 * * * before, every 6h now" in changed["changes"]
    for run in runs_of(stack, "nasflow-birds", "SCHEDULED"):
        assert run["parameters"]["request"]["epochs"] == 100
        assert run["expected_start_time"][11:16] in {"00:00", "06:00", "12:00", "18:00"}

    assert stack.nasflow("schedule", "pause", "birds") == {"ok": True, "schedules": ["nasflow-birds"], "active": False}
    assert runs_of(stack, "nasflow-birds", "SCHEDULED") == []
    paused = schedule_of(stack, "nasflow-birds")
    assert (paused["active"], paused["next"], paused["problem"]) == (False, None, None)
    assert paused["request"]["workspace"] == "acme"
    stack.nasflow("schedule", "resume", "birds")
    assert runs_of(stack, "nasflow-birds", "SCHEDULED")
    assert schedule_of(stack, "nasflow-birds")["request"] == paused["request"]

    assert stack.nasflow("schedule", "remove", "birds") == {"ok": True, "schedules": ["nasflow-birds"]}
    assert schedule_of(stack, "nasflow-birds") is None
    assert runs_of(stack, "nasflow-birds", "SCHEDULED") == []


def test_registering_again_keeps_a_schedule_and_its_request(stack, remove):
    remove("keep")
    stack.nasflow("schedule", "set", "keep", "--cron", "0 3 * * *", "--timezone", "UTC", "--workspace", "acme")
    before = schedule_of(stack, "nasflow-keep")
    assert stack.nasflow("deploy")["ok"]
    after = schedule_of(stack, "nasflow-keep")
    assert after["request"] == before["request"]
    assert (after["when"], after["active"]) == ("0 3 * * *", True)


def test_changing_one_schedule_keeps_the_runs_of_another(stack, remove):
    for name in ("one", "other"):
        remove(name)
        stack.nasflow("schedule", "set", name, "--every", "1d", "--timezone", "UTC", "--workspace", "acme")

    def times():
        return [run["expected_start_time"] for run in runs_of(stack, "nasflow-other", "SCHEDULED")]

    before = times()
    assert before
    stack.nasflow("schedule", "pause", "one")
    assert times() == before
    stack.nasflow("schedule", "remove", "one")
    assert times() == before


def test_late_runs_collapse_into_the_newest(stack, export, remove):
    remove("late")
    hour = (datetime.now(UTC) + timedelta(hours=12)).hour  # so that no other run becomes due meanwhile
    stack.api("/work_pools/default", {"is_paused": True}, method="PATCH")
    try:
        cron = ["--cron", f"0-3 {hour} * * *", "--timezone", "UTC"]
        # The newest has to be at work still when the others look for another run.
        stack.nasflow("schedule", "set", "late", *cron, "--export", str(export), "--epochs", "9999", *TINY)
        make_late_runs(stack, 4, hour)
        runs = runs_of(stack, "nasflow-late", "SCHEDULED")[:4]
        assert [run["expected_start_time"][11:16] for run in runs] == [f"{hour:02}:0{minute}" for minute in range(4)]
    finally:
        stack.api("/work_pools/default", {"is_paused": False}, method="PATCH")

    *late, newest = runs
    try:
        for run in late:
            name, message = stack.end(run["id"])
            assert name == "Skipped", message
            assert f"{newest['name']}, " in message
            assert message.endswith("and takes its place")
        wait_for(lambda: stack.state(newest["id"])[0] == "Running")
    finally:
        stack.run("runs", "cancel", newest["id"])
    wait_for(lambda: stack.state(newest["id"])[0] == "Cancelled")


def test_a_run_of_a_schedule_without_a_request_fails_with_one_clear_line(stack, remove):
    remove("empty")
    deployment = retrain_deployment(stack)["id"]
    schedule = {"interval": 86_400, "anchor_date": "2026-01-01T00:00:00Z", "timezone": "UTC"}
    stack.api(f"/deployments/{deployment}/schedules", [{"slug": "empty", "active": True, "schedule": schedule}])
    problem = schedule_of(stack, "empty")["problem"]
    assert problem == "no request: give it one with `nasflow schedule set`, or remove it"
    make_late_runs(stack, 1)
    (run, *_) = runs_of(stack, "empty")
    _, message = wait_for(lambda: (state := stack.state(run["id"]))[0] == "Failed" and state)
    assert f"BadRequest: this run has no request; if a schedule made it, see {stack.addresses['ui']}" in message
    assert f"/deployments/deployment/{deployment}: give that a request with `nasflow schedule set PROJECT`" in message
    refused = stack.run("schedule", "resume", "empty")
    assert refused.returncode == 2
    assert "schedule empty: no request" in refused.stderr


def test_a_schedule_that_is_switched_in_prefect_loses_its_request_and_gets_it_back_by_setting_it_again(stack, remove):
    remove("switched")
    options = ["--cron", "0 3 * * *", "--timezone", "UTC", "--workspace", "acme"]
    stack.nasflow("schedule", "set", "switched", *options)
    deployment = retrain_deployment(stack)
    (schedule,) = (row for row in deployment["schedules"] if row["slug"] == "nasflow-switched")
    stack.api(f"/deployments/{deployment['id']}/schedules/{schedule['id']}", {"active": False}, method="PATCH")
    row = schedule_of(stack, "nasflow-switched")
    assert row["project"] == "switched"
    assert row["problem"] is not None
    assert "workspace: None before, acme now" in stack.nasflow("schedule", "set", "switched", *options)["changes"]
    assert schedule_of(stack, "nasflow-switched")["problem"] is None


@pytest.mark.parametrize("verb", ["pause", "resume", "remove"])
def test_a_schedule_that_is_not_there_is_one_line(stack, verb):
    done = stack.run("schedule", verb, "nobody", "--json")
    assert done.returncode == 2
    error = json.loads(done.stdout)["error"]
    assert error.startswith("schedule nobody: no such schedule; there ")
    assert done.stderr.strip() == f"error: {error}"


def test_the_names_that_there_are_are_named(stack, remove):
    remove("named")
    stack.nasflow("schedule", "set", "named", "--every", "1d", "--timezone", "UTC", "--export", "store://labels.zip")
    done = stack.run("schedule", "pause", "nobody")
    assert "there are: " in done.stderr
    assert "named" in done.stderr.partition("there are: ")[2]


def test_a_slug_is_unique(stack, remove):
    remove("unique")
    stack.nasflow("schedule", "set", "unique", "--every", "1d", "--timezone", "UTC", "--workspace", "acme")
    deployment = retrain_deployment(stack)["id"]
    schedule = {"slug": "nasflow-unique", "schedule": {"interval": 86_400}, "active": False}
    with pytest.raises(urllib.error.HTTPError) as refused:
        stack.api(f"/deployments/{deployment}/schedules", [schedule])
    refused.value.close()
