"""The end of a retrain run with Prefect and a store: a champion that moves meanwhile, and one whose files are gone."""

from datetime import UTC, datetime
from functools import partial
from itertools import pairwise

import pytest
from prefect import flow
from prefect.testing.utilities import prefect_test_harness

from flows.retrain import judge
from tasks.errors import NotInStore
from tasks.evaluation.in_store import find_evaluation, job_for
from tasks.labeling.task import compare_labels
from tasks.promotion.aliases import find_alias
from tasks.promotion.by_hand import roll_back
from tasks.promotion.registry import find_version, versions
from tasks.promotion.task import find_champion, write_project_page
from tasks.records import RetrainRequest, SnapshotDifference
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot
from tests.fakes.finished_runs import evaluated, finished_run, stored_labels
from tests.fakes.together import together

NOW = datetime(2026, 11, 28, tzinfo=UTC)
SERVER_STARTUP_SECONDS = 300
"""A slow machine takes long to start a server."""


@pytest.fixture(scope="module")
def prefect_server():
    with prefect_test_harness(server_startup_timeout=SERVER_STARTUP_SECONDS):
        yield


@pytest.fixture
def workplace(prefect_server, store_environment, tmp_path, monkeypatch):
    """The environment of a worker."""
    for name, value in {**store_environment, "NASFLOW_WORK_DIR": str(tmp_path / "work")}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def labels(store, tmp_path):
    return stored_labels(store, tmp_path)


@flow(name="end-of-retrain", persist_result=False)
def judged(project, snapshot, model, report, promote_anyway=None):
    """What a retrain run does when its model is measured."""
    return judge(RetrainRequest(project=project, promote_anyway=promote_anyway), snapshot, model, report)


@flow(name="begin-of-retrain", persist_result=False)
def compared(snapshot, project) -> SnapshotDifference | None:
    """What a retrain run does before it plans the training."""
    return compare_labels(snapshot, find_champion(project))


@flow(name="page-of-project", persist_result=False)
def paged(project):
    """What a retrain run does when its model is judged."""
    return write_project_page(project)


@pytest.fixture
def candidate(store, labels, tmp_path):
    """Judge the model of a seed, which detects the boxes of this share of the test images."""

    def candidate(project, seed, share, snapshot=labels, **options):
        model = finished_run(store, tmp_path, snapshot, seed)
        return partial(judged, project, snapshot, model, evaluated(store, tmp_path, snapshot, model, share), **options)

    return candidate


def test_two_runs_of_one_model_at_once_publish_and_promote_it_once(store, workplace, candidate):
    for number in range(2):
        project = f"twins-{number}"
        results = together(*[candidate(project, seed=1, share=0.5)] * 2)
        (version,) = versions(store, project)
        assert results == [(version, "champion")] * 2
        assert version.decision.reason.startswith("First model")
        assert [move.version for move in find_alias(store, project, "champion").history] == [1]


def test_a_run_that_is_judged_again_after_its_promotion_writes_nothing(store, workplace, candidate):
    judge_it = candidate("pets", seed=1, share=0.5)
    outcome, written = judge_it(), store.list("")
    assert judge_it() == outcome
    assert store.list("") == written


def test_runs_that_lose_the_champion_are_judged_anew_against_the_new_one(store, workplace, candidate):
    for number in range(2):
        project = f"rivals-{number}"
        runs = [candidate(project, seed, share) for seed, share in ((1, 0.25), (2, 0.5), (3, 1.0))]
        results = together(*runs)
        assert sorted(version.version for version, _ in results) == [1, 2, 3]
        history = find_alias(store, project, "champion").history
        decisions = {version.version: find_version(store, project, version.version).decision for version, _ in results}
        assert {version.version: version.decision for version, _ in results} == decisions
        # One had no champion to beat, all others were compared with one; the best is in use whoever came first.
        assert sum(decision.reason.startswith("First model") for decision in decisions.values()) == 1
        assert {move.version for move in history} == {n for n, decision in decisions.items() if decision.promote}
        assert history[-1].version == results[2][0].version
        for before, after in pairwise(history):
            assert decisions[after.version].champion_version == before.version


def without(store, key):
    assert store.exists(key)
    store.delete([key])


GONE = {
    "labels": lambda champion, run: keys.snapshot(champion.snapshot_digest),
    "weights of the run": lambda champion, run: run.weights.key,
    "history of the run": lambda champion, run: run.history.key,
    "state of the run": lambda champion, run: keys.run_state(run.run_key),
}


@pytest.mark.parametrize("gone", GONE)
def test_without_the_champions_files_it_cannot_be_told_and_a_request_still_promotes(
    store, workplace, candidate, tmp_path, gone
):
    old_labels = stored_labels(store, tmp_path, seed=2)
    champion, _ = candidate("pets", 1, 0.25, old_labels)()
    run = finished_run(store, tmp_path, old_labels, 1)
    key = GONE[gone](champion, run)
    without(store, key)

    better = candidate("pets", 2, 1.0)
    version, alias = better()
    assert (version.version, version.decision.verdict, alias) == (2, "cannot tell", None)
    named = champion.snapshot_digest if gone == "labels" else run.run_key
    assert "cannot be compared with the champion: " in version.decision.reason
    assert named[:12] in version.decision.reason
    assert "not in the store any more" in version.decision.reason
    assert (version.decision.champion_map, version.decision.champion_version) == (None, None)
    assert find_alias(store, "pets", "champion").version == 1

    version, alias = better(promote_anyway="nobody needs the old labels")
    assert (version.version, alias) == (2, "champion")
    assert find_version(store, "pets", 2).decision.overridden == "nobody needs the old labels"
    assert find_alias(store, "pets", "champion").version == 2


def test_labels_that_are_gone_are_not_compared_with(store, workplace, candidate, labels, tmp_path):
    old_labels = stored_labels(store, tmp_path, seed=2)
    candidate("pets", 1, 0.25, old_labels)()
    before = compared(labels, "pets")
    assert before is not None
    assert not before.is_empty
    without(store, keys.snapshot(old_labels.snapshot_digest))
    assert compared(labels, "pets") is None


def test_the_champion_is_measured_without_the_images_that_it_was_trained_on(
    store, workplace, candidate, labels, tmp_path
):
    old_labels = stored_labels(store, tmp_path, seed=2)
    candidate("pets", 1, 0.25, old_labels)()
    evaluated(store, tmp_path, labels, finished_run(store, tmp_path, old_labels, 1), 0.25)
    new = {image.sha256 for image in load_snapshot(store, labels.snapshot_digest).images}
    for image in load_snapshot(store, old_labels.snapshot_digest).images:
        if image.sha256 not in new:
            without(store, keys.blob(image.sha256))
    version, alias = candidate("pets", 2, 1.0)()
    assert (version.decision.verdict, alias) == ("promote", "champion")
    assert version.decision.champion_version == 1


@pytest.mark.parametrize("gone", ["report", "numbers", "detections"])
def test_an_evaluation_whose_files_are_gone_is_made_again(store, workplace, candidate, labels, tmp_path, gone):
    candidate("pets", 1, 0.25)()
    run = finished_run(store, tmp_path, labels, 1)
    job = job_for(run.run_key, labels)
    report = find_evaluation(store, job, run)
    without(store, {
        "report": keys.evaluation_report(keys.evaluation_prefix(report.evaluation.key)),
        "numbers": report.evaluation.key, "detections": report.detections.key,
    }[gone])  # fmt: skip
    assert find_evaluation(store, job, run) is None
    again = evaluated(store, tmp_path, labels, run, 0.25, latency_ms=30.0)
    assert find_evaluation(store, job, run) == again
    assert again.scores == report.scores
    # Detections are the same bytes under the same key, so that the report which is there can be used again.
    assert again.speed.latency_ms == (20.0 if gone == "detections" else 30.0)
    _, alias = candidate("pets", 2, 1.0)()
    assert alias == "champion"


def test_a_run_that_was_trained_again_to_other_weights_is_evaluated_again(store, labels, tmp_path):
    run = finished_run(store, tmp_path, labels, 1)
    first = evaluated(store, tmp_path, labels, run, 0.25)
    run = finished_run(store, tmp_path, labels, 1, weights=b"other weights")
    assert find_evaluation(store, job_for(run.run_key, labels), run) is None
    again = evaluated(store, tmp_path, labels, run, 0.25)
    assert (again.weights_sha256, again.run_key) == (run.weights.sha256, first.run_key)
    assert find_evaluation(store, job_for(run.run_key, labels), run) == again


def test_a_champion_whose_run_was_trained_again_to_other_weights_is_not_measured(
    store, workplace, candidate, labels, tmp_path
):
    candidate("pets", 1, 0.25)()
    again = finished_run(store, tmp_path, labels, 1, weights=b"other weights")
    evaluated(store, tmp_path, labels, again, 0.25)
    version, alias = candidate("pets", 2, 1.0)()
    assert (version.decision.verdict, alias) == ("cannot tell", None)
    assert "was trained again, and has other weights now" in version.decision.reason


def test_a_champion_whose_card_is_gone_stops_a_run_before_it_trains(store, workplace, candidate, labels):
    candidate("pets", 1, 0.25)()
    without(store, keys.model_card("pets", 1))
    with pytest.raises(NotInStore, match=r"card\.json: no such object, and it is the champion's card; restore it"):
        compared(labels, "pets")


def test_what_a_person_rolled_back_is_not_promoted_again(store, workplace, candidate):
    candidate("pets", 1, 0.25)()
    better = candidate("pets", 2, 1.0)
    assert better()[1] == "champion"
    alias, left = roll_back(store, "pets", "misses dogs at night", "Ada", NOW)
    assert (alias.version, left) == (1, 2)

    version, alias = better()
    assert (version.version, version.decision.verdict, alias) == (2, "keep", None)
    assert "version 2 was rolled back by Ada on 2026-11-28 (misses dogs at night)" in version.decision.reason
    assert find_alias(store, "pets", "champion").version == 1

    version, alias = better(promote_anyway="the lights are on")
    assert (version.version, alias) == (2, "champion")
    assert [move.version for move in find_alias(store, "pets", "champion").history] == [1, 2, 1, 2]


def test_the_project_gets_its_page_and_one_that_cannot_be_written_fails_no_run(store, workplace, candidate):
    candidate("paged", seed=1, share=0.5)()
    assert paged("paged") is True
    page, etag = store.get(keys.project_page("paged"))
    assert b"nasflow report paged 1" in page
    store.put(keys.model_labels("paged", 1), b"damaged")
    assert paged("paged") is False
    assert store.get(keys.project_page("paged")) == (page, etag)
