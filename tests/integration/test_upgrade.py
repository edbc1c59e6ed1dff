"""An upgrade: what a nasflow without numbers of recipe and scoring left in a store, and what retrain then does."""

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import Artifact
from prefect.settings import PREFECT_API_URL
from prefect.testing.utilities import prefect_test_harness

from deployments.demo.cartoons import draw_export
from flows.retrain import judge, retrain
from tasks.evaluation.in_store import find_evaluation, job_for
from tasks.housekeeping.contents import read_contents
from tasks.labeling.in_store import check_to_store, export_to_store
from tasks.metrics.scoring_number import SCORING
from tasks.promotion.aliases import find_alias
from tasks.promotion.by_hand import roll_back
from tasks.promotion.model_card import card_markdown, make_card
from tasks.promotion.registry import find_version
from tasks.records import EvaluationReport, ModelVersion, RetrainRequest, TrainingSpec
from tasks.settings import RoboflowSettings
from tasks.storage import keys
from tasks.storage.documents import read_record
from tasks.storage.runs import find_model
from tasks.training.spec import RECIPE, plan
from tests.fakes.finished_runs import evaluated, exported, finished_run_of
from tests.fakes.older_store import make_older
from tests.fakes.waiting import wait_for

ROOT = Path(__file__).parents[2]
STARTUP_SECONDS = 300
NOW = datetime(2026, 11, 28, tzinfo=UTC)
WEIGHTS = bytes(10_000_001)
"""As large as weights that a run may start from."""


@pytest.fixture(scope="module")
def prefect_server():
    with prefect_test_harness(server_startup_timeout=STARTUP_SECONDS):
        yield PREFECT_API_URL.value()


@pytest.fixture
def gpu_worker(prefect_server, store_environment, tmp_path, monkeypatch):
    """The environment of a worker, and what stands for GPU workers in it."""
    environment = {**store_environment, "NASFLOW_WORK_DIR": str(tmp_path / "work"), "PREFECT_API_URL": prefect_server}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-m", "tests.fakes.gpu_worker"]
    with (tmp_path / "gpu.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=log, stderr=log)
    with get_client(sync_client=True) as client:
        wait_for(lambda: {one.name for one in client.read_deployments()} >= {"train", "evaluate"})
    yield
    process.terminate()
    process.wait(60)


@flow(name="end-of-retrain", persist_result=False)
def judged(request, snapshot, model, report) -> tuple[ModelVersion, str | None]:
    """What a retrain run does when its model is measured."""
    return judge(request, snapshot, model, report)


@pytest.fixture
def request_for_labels(tmp_path):
    draw_export(tmp_path / "labels", 1, train=4, valid=3, test=12, size=64)
    return RetrainRequest(project="pets", export=str(tmp_path / "labels"))


@pytest.fixture
def before(store, gpu_worker, request_for_labels, tmp_path):
    """A run, its evaluation and a published champion, all as from before the upgrade; the run key."""
    request = request_for_labels
    export = export_to_store(store, request, RoboflowSettings, tmp_path / "scratch")
    snapshot = check_to_store(store, export, tmp_path / "scratch")
    spec = plan(request, snapshot, None).spec.model_copy(update={"recipe": 0})
    model = finished_run_of(store, tmp_path, spec, WEIGHTS)
    report = evaluated(store, tmp_path, snapshot, model, share=0.25)
    exported(store, tmp_path, report)
    _, alias = judged(request, snapshot, model, report)
    assert alias == "champion"
    make_older(store)
    return model.run_key


def documents(store):
    return {key: store.get(key)[0] for key in store.list("")}


def messages():
    """All lines of the log that the server has."""
    with get_client(sync_client=True) as client:
        return [line.message for line in client.read_logs(limit=200)]


def is_logged(*words):
    wait_for(lambda: any(all(word in line for word in words) for line in messages()))
    return True


def asked_for():
    """How many child flow runs were asked for, by flow."""
    with get_client(sync_client=True) as client:
        flows = {one.id: one.name for one in client.read_flows()}
        runs = client.read_flow_runs(limit=200)
    return Counter(name for run in runs if (name := flows[run.flow_id]) in ("train", "evaluate"))


def created(artifact: Artifact) -> datetime:
    assert artifact.created is not None
    return artifact.created


def outcomes():
    with get_client(sync_client=True) as client:
        found = [one for one in client.read_artifacts() if one.key == "retrain-pets"]
    return [one.data for one in sorted(found, key=created)]


def test_an_older_run_is_told_and_kept_its_model_measured_again_and_nothing_is_lost(
    store, before, request_for_labels, tmp_path
):
    older = documents(store)
    assert keys.evaluation_report(keys.run(before)) in older
    assert [key for key in older if "scoring" in key] == []
    records = {key: content for key, content in older.items() if key.endswith(".json")}
    assert [key for key, content in records.items() if b'"recipe"' in content or b'"scoring"' in content] == []
    assert read_record(store, keys.run_spec(before), TrainingSpec)[0].digest == before
    content = json.loads(older[keys.run_spec(before)])
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert hashlib.sha256(canonical.encode()).hexdigest() == before

    outcome = retrain(request_for_labels)
    assert (outcome.model.spec.recipe, outcome.report.scoring) == (RECIPE, SCORING)
    assert outcome.model.run_key != before
    assert is_logged(f"run {before[:12]} by recipe 0 has the same settings; it is kept, and not used again")
    assert is_logged("the champion, but that was trained by recipe 0", "so the run is not skipped")
    assert f"Run `{before[:12]}` by recipe 0 has the same settings; it is kept" in outcomes()[-1]

    # The champion was measured again, by the same scoring as the candidate, and compared with it.
    champion_run = find_model(store, before)
    assert champion_run is not None
    again = find_evaluation(store, job_for(before, outcome.snapshot), champion_run)
    assert again.scoring == SCORING
    assert (outcome.decision.champion_version, outcome.decision.champion_map) == (1, again.scores.map)
    assert (outcome.version.version, outcome.alias) == (2, "champion")
    assert outcome.version.scoring == SCORING

    # What was there is there, and can be read; only the alias moved, and the project's page and states were renewed.
    now = documents(store)
    changed = {key for key, content in older.items() if now.get(key) != content}
    assert changed <= {keys.model_alias("pets", "champion"), keys.project_page("pets")}
    older_report = read_record(store, keys.evaluation_report(keys.run(before)), EvaluationReport)[0]
    assert (older_report.scoring, older_report.scores) == (0, again.scores)
    first = find_version(store, "pets", 1)
    assert first is not None
    assert (first.scoring, first.run_key) == (0, before)
    assert "| recipe | 0 |" in card_markdown(make_card(store, first))
    assert b"in 2 different ways, on other images or by another scoring" in now[keys.project_page("pets")]
    assert {run.key: run.spec.recipe for run in read_contents(store).runs} == {
        before: 0, outcome.model.run_key: RECIPE
    }  # fmt: skip

    # The next one has nothing to do.
    state = retrain(request_for_labels, return_state=True)
    assert state.name == "Skipped"
    assert state.message.startswith("skipped: no label and no setting changed since version 2, the champion")
    assert [move.version for move in find_alias(store, "pets", "champion").history] == [1, 2]

    # With the older champion in use again nothing is skipped, and the run by the present recipe is used again.
    roll_back(store, "pets", "a test", "Ada", NOW)
    outcome_again = retrain(request_for_labels)
    assert outcome_again.model == outcome.model
    assert (outcome_again.report, outcome_again.version.version) == (outcome.report, 2)
    assert is_logged(f"run {outcome.model.run_key[:12]} is finished already; its model is used again")
    assert asked_for() == {"train": 1, "evaluate": 2}


def test_a_run_starts_from_the_weights_of_a_champion_by_an_older_recipe(store, before, request_for_labels):
    champion = find_version(store, "pets", 1)
    outcome = retrain(request_for_labels.model_copy(update={"weights": "champion"}))
    assert (outcome.model.spec.weights_sha256, outcome.model.spec.recipe) == (champion.weights.sha256, RECIPE)
    assert (outcome.version.version, outcome.decision.champion_version) == (2, 1)
