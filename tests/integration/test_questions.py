"""A retrain run that cannot tell asks a person: with a real server, store and worker; models are finished already."""

import re
import shutil
import subprocess
import uuid
from datetime import UTC, datetime

import pytest

from tasks.promotion.aliases import find_alias, move_alias
from tasks.promotion.registry import Publication, find_version, publish
from tasks.records import AliasMove
from tasks.storage.s3 import Store
from tests.fakes.evaluations import decision
from tests.fakes.finished_runs import evaluated, exported, finished_run, stored_labels
from tests.fakes.waiting import wait_for
from tests.integration.prefect_server import NASFLOW, PrefectServer

ENDED = ("Completed", "Skipped", "Failed", "Crashed", "Cancelled")

PREFIX = f"{uuid.uuid4().hex}/"
CHAMPION, OPEN, RIVAL = (1, 6 / 12), (2, 7 / 12), (3, 8 / 12)
"""Seed of a model, and the share of the test images whose boxes it detects; one image more is no sure gain."""
BETTER = (4, 1.0)


@pytest.fixture(scope="module")
def store(seaweed):
    return Store(seaweed.settings().model_copy(update={"prefix": PREFIX}))


@pytest.fixture(scope="module")
def server(store, seaweed, tmp_path_factory):
    """A server, and a worker of the pool whose runs ask."""
    folder = tmp_path_factory.mktemp("server")
    with PrefectServer(folder) as running:
        running.environment |= {**seaweed.environment(), "NASFLOW_STORE_PREFIX": PREFIX}
        running.environment["NASFLOW_WORK_DIR"] = str(folder / "work")
        with running.worker("default"):
            yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("labels")


@pytest.fixture(scope="module")
def labels(store, folder):
    return stored_labels(store, folder)


@pytest.fixture
def project():
    """A project that no other test has models of."""
    return f"pets-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def measured(store, labels, folder):
    """A finished run with all its files, and its report."""

    def measured(model):
        seed, share = model
        run = finished_run(store, folder, labels, seed)
        report = evaluated(store, folder, labels, run, share)
        exported(store, folder, report)
        return run, report

    return measured


@pytest.fixture
def promoted(store, project, measured, folder):
    """Make this model the champion, as another run would."""

    def promoted(model):
        run, report = measured(model)
        weights, page = folder / "weights", folder / "page.html"
        store.download(run.weights, weights)
        page.write_text("a page")
        before = find_alias(store, project, "champion")
        publication = Publication(project, run, report, decision(), weights, page)
        version = publish(store, publication, lambda: datetime.now(UTC)).version
        move = AliasMove(version=version, at=datetime.now(UTC), reason="a test")
        move_alias(store, project, "champion", move, before.version if before else None)
        return version

    return promoted


@pytest.fixture
def retrain(server, project, measured, folder):
    """Ask for a run that finds this model finished; it asks a person if it has to."""

    def retrain(model, **request):
        measured(model)
        seed, _ = model
        request = {"project": project, "export": str(folder / "labels-1"), "seed": seed, "ask": True, **request}
        return server.ask_for("retrain/retrain", {"request": request})

    return retrain


@pytest.fixture
def end(server):
    """Name of the state in which a run ends."""

    def end(run):
        return wait_for(lambda: (state := server.state(run)) in ENDED and state)

    return end


@pytest.fixture
def ask(server, promoted, retrain):
    """A run that asks about a model which may be better than the champion."""

    def ask(**request):
        promoted(CHAMPION)
        return wait_until_asked(server, retrain(OPEN, **request))

    return ask


def wait_until_asked(server, run):
    assert wait_for(lambda: (state := server.state(run)) in (*ENDED, "Suspended") and state) == "Suspended", run
    wait_for(lambda: question_of(server, run))
    return run


def question_of(server, run):
    """What the form says; Prefect saves it a moment after the run is suspended."""
    keys = server.api(f"/flow_runs/{run}")["state"]["state_details"]["run_input_keyset"]
    inputs = server.api(f"/flow_runs/{run}/input/filter", {"prefix": "", "limit": 50})
    return next((one["value"] for one in inputs if one["key"] == keys["description"]), None)


def seconds_after_end(server, run):
    """How long after the time for an answer the run that ends the question is to begin."""
    asking = server.api(f"/flow_runs/{run}")
    name = {"flow_runs": {"name": {"any_": [f"end-of-question-of-{asking['name']}"]}}}
    (ending,) = server.api("/flow_runs/filter", name)
    until = datetime.fromisoformat(asking["labels"]["nasflow.answer-until"])
    return (datetime.fromisoformat(ending["expected_start_time"]) - until).total_seconds()


def answer(server, run, **run_input):
    """Answer as Prefect's UI does."""
    return server.api(f"/flow_runs/{run}/resume", {"run_input": run_input})["status"]


def champion(store, project):
    return find_alias(store, project, "champion").version


def test_an_answer_promotes_the_version_that_was_asked_about_whatever_became_of_the_labels(
    server, store, project, ask, end, folder, tmp_path
):
    shutil.copytree(folder / "labels-1", tmp_path / "labels")
    run = ask(export=str(tmp_path / "labels"))
    assert champion(store, project) == 1
    card = find_version(store, project, 2).decision
    assert (card.verdict, card.promote, card.answer) == ("cannot tell", False, None)
    text = question_of(server, run)
    for words in (
        f"Promote version 2 of {project}?",
        "gate cannot tell",
        "against 0.3911 of champion",
        "[Open the report](http",
    ):
        assert words in text
    assert seconds_after_end(server, run) > 1  # the server tells its time in whole seconds

    shutil.rmtree(tmp_path / "labels")
    assert answer(server, run, answer="promote", by="Ada", why="looked at all images") == "ACCEPT"
    assert end(run) == "Completed"
    assert champion(store, project) == 2
    card = find_version(store, project, 2).decision
    assert (card.verdict, card.promote, card.answer) == ("cannot tell", True, "promote")
    assert (card.answered_by, card.answered_why) == ("Ada", "looked at all images")
    assert card.reason.startswith("Promoted, as Ada answered (looked at all images). mAP ")
    assert find_alias(store, project, "champion").history[-1].reason == card.reason


def test_an_answer_of_the_command_keeps_the_champion_and_the_same_is_not_asked_again(
    server, store, project, ask, retrain, end
):
    run = ask()
    assert server.nasflow("runs", "show", run)["can"] == ["answer", "cancel"]
    document = server.nasflow("runs", "answer", run, "--keep", "--why", "wait for spring")
    assert (document["ok"], document["flow_run"]) == (True, run)
    assert end(run) == "Completed"
    assert champion(store, project) == 1
    kept = find_version(store, project, 2).decision
    assert (kept.promote, kept.answer, kept.answered_by, kept.answered_why) == (False, "keep", None, "wait for spring")
    assert kept.reason.startswith("Kept, as somebody answered (wait for spring). mAP ")

    assert server.run("runs", "answer", run, "--promote").returncode == 1  # it has ended
    assert end(retrain(OPEN)) == "Completed"
    assert find_version(store, project, 2).decision == kept


def test_without_an_answer_in_time_the_champion_stays(server, store, project, promoted, retrain, end):
    promoted(CHAMPION)
    run = retrain(OPEN, ask_hours=0.004)  # a slow machine is suspended later than that, or not at all
    assert end(run) == "Completed"
    assert champion(store, project) == 1
    card = find_version(store, project, 2).decision
    assert (card.verdict, card.promote, card.answer) == ("cannot tell", False, "none")
    assert card.reason.startswith("Kept: it was asked, and nobody answered within 0.004 hours. mAP ")


def test_when_the_champion_moved_meanwhile_the_model_is_judged_anew(server, store, project, ask, promoted, end):
    run = ask()
    assert promoted(BETTER) == 3
    assert answer(server, run, answer="promote") == "ACCEPT"
    assert end(run) == "Completed"
    assert champion(store, project) == 3
    card = find_version(store, project, 2).decision
    assert (card.verdict, card.promote, card.answer) == ("keep", False, None)
    assert card.champion_version == 3


def test_it_is_asked_again_if_it_cannot_be_told_against_the_new_champion_either(
    server, store, project, ask, promoted, end
):
    run = ask()
    assert promoted(RIVAL) == 3
    first = question_of(server, run)
    assert answer(server, run, answer="promote") == "ACCEPT"
    wait_for(lambda: server.state(run) == "Suspended" and question_of(server, run) not in (None, first))
    assert champion(store, project) == 3
    assert "of champion version 3" in question_of(server, run)
    assert answer(server, run, answer="promote") == "ACCEPT"
    assert end(run) == "Completed"
    assert champion(store, project) == 2


def test_a_run_of_a_schedule_goes_on_while_another_run_asks(server, store, project, folder, ask, end):
    """The same question is not asked twice: the second run ends, and the first goes on waiting."""
    run = ask()
    options = ["--every", "1d", "--timezone", "UTC", "--export", str(folder / "labels-1"), "--seed", "2", "--ask"]
    assert server.nasflow("schedule", "set", project, *options)["ok"]
    deployment = server.api("/deployments/name/retrain/retrain")["id"]
    due = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    times = {"start_time": due.isoformat(), "end_time": due.isoformat(), "min_time": 0.0, "min_runs": 1, "max_runs": 1}
    server.api(f"/deployments/{deployment}/schedule", times)
    before = {
        "expected_start_time": {"before_": datetime.now(UTC).isoformat()},
        "deployment_id": {"any_": [deployment]},
    }
    made = [one for one in server.api("/flow_runs/filter", {"flow_runs": before}) if one["auto_scheduled"]]
    (scheduled,) = [one["id"] for one in made if one["parameters"]["request"]["project"] == project]
    assert end(scheduled) == "Completed"
    assert server.nasflow("schedule", "remove", project)["ok"]
    assert server.state(run) == "Suspended"
    assert find_version(store, project, 2).decision.is_open
    assert answer(server, run, answer="promote") == "ACCEPT"
    assert end(run) == "Completed"
    assert champion(store, project) == 2


def test_a_suspended_run_is_not_taken_for_lost_and_asks_again_when_it_is_cancelled_and_retried(
    server, store, project, ask, end
):
    run = ask()
    look = server.ask_for("supervise/supervise", {"job": {"flow_run": run}})
    assert end(look) == "Completed"
    assert "it waits for an answer until " in server.api(f"/flow_runs/{look}")["state"]["message"]
    assert server.state(run) == "Suspended"

    chosen = {"event": {"name": ["nasflow.model.cannot-tell"]}, "resource": {"id": [f"nasflow.project.{project}"]}}
    (event,) = wait_for(lambda: server.api("/events/filter", {"filter": chosen})["events"])
    payload = event["payload"]
    assert payload["title"] == f"Promote version 2 of {project}?"
    assert f"/runs/flow-run/{run}, or `nasflow runs answer {run} --promote`" in payload["text"]
    assert (payload["version"], payload["flow_run"], payload["promote"]) == (2, run, False)

    assert server.nasflow("runs", "cancel", run)["flow_run_state"] == "Cancelled"
    server.nasflow("runs", "retry", run)
    wait_until_asked(server, run)
    assert answer(server, run, answer="maybe") == "REJECT"
    assert answer(server, run, answer="promote") == "ACCEPT"
    assert end(run) == "Completed"
    assert champion(store, project) == 2


def test_the_command_says_where_to_answer(server, project, measured, promoted, end, folder):
    promoted(CHAMPION)
    measured(OPEN)
    command = [NASFLOW, "retrain", "--export", str(folder / "labels-1"), "--project", project, "--seed", "2", "--ask"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=server.environment) as follower:
        lines = iter(follower.stderr.readline, "")
        line = next(line for line in lines if " asks whether to promote its model until " in line)
        run = re.search(r"press Resume at \S+/([0-9a-f-]{36}), or `nasflow runs answer", line)[1]
        wait_for(lambda: answer(server, run, answer="keep") == "ACCEPT")  # the form is there a moment later
        rest = follower.stderr.read()
    assert follower.returncode == 0, rest
    assert end(run) == "Completed"
