"""Two runs of the same project at the same step, on a real store: what differs between them is lost by neither."""

from datetime import UTC, datetime
from functools import partial

import pytest

from tasks.evaluation.in_store import find_evaluation, job_for
from tasks.evaluation.page_in_store import PageAdditions, write_page
from tasks.promotion.aliases import find_alias, move_alias
from tasks.promotion.registry import CHAMPION, Publication, confirm, find_version, publish, versions
from tasks.records import AliasMove, PromotionDecision
from tasks.settings import WorkSettings
from tests.fakes.finished_runs import evaluated, finished_run, stored_labels
from tests.fakes.together import together

ROUNDS = 6
NOW = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def labels(store, tmp_path):
    return stored_labels(store, tmp_path)


def clock():
    return NOW


def decision(*, promote, reason):
    return PromotionDecision(
        promote=promote, verdict="promote" if promote else "cannot tell", reason=reason, candidate_map=0.5,
        champion_map=None, champion_version=None,
    )  # fmt: skip


def assert_whole(store, stored, tmp_path):
    store.download(stored, tmp_path / "whole")


def test_an_evaluation_is_stored_once_however_long_it_took_each_worker(store, labels, tmp_path):
    for seed in range(ROUNDS):
        model = finished_run(store, tmp_path, labels, seed)
        folders = [tmp_path / f"{seed}-{worker}" for worker in range(3)]
        for folder in folders:
            folder.mkdir()
        evaluate = partial(evaluated, store, snapshot=labels, model=model, share=0.5)
        reports = together(*(partial(evaluate, folder, latency_ms=20.0 + at) for at, folder in enumerate(folders)))
        assert reports == reports[:1] * 3
        assert find_evaluation(store, job_for(model.run_key, labels), model) == reports[0]
        assert_whole(store, reports[0].evaluation, tmp_path)
        assert evaluated(store, tmp_path, labels, model, 0.5, latency_ms=99.0) == reports[0]


def test_pages_with_different_content_do_not_replace_each_other(store, labels, tmp_path):
    model = finished_run(store, tmp_path, labels, 1)
    report = evaluated(store, tmp_path, labels, model, 0.5)
    for number in range(ROUNDS):
        decisions = [decision(promote=False, reason=f"Reason {number} of {writer}.") for writer in (1, 1, 2)]
        write = partial(write_page, store, model, report, WorkSettings(work_dir=tmp_path))
        pages = together(*(partial(write, PageAdditions(decision=one)) for one in decisions))
        assert pages[0] == pages[1] != pages[2]
        for page in pages:
            assert_whole(store, page, tmp_path)


@pytest.fixture
def publication(store, labels, tmp_path):
    """A publication of one run, with a page of its own for each decision."""
    model = finished_run(store, tmp_path, labels, 1)
    report = evaluated(store, tmp_path, labels, model, 0.5)
    store.download(model.weights, tmp_path / "weights")

    def publication(project, judged, latency_ms=20.0):
        page = tmp_path / f"{judged.digest}.html"
        page.write_text(judged.reason)
        speed = report.speed.model_copy(update={"latency_ms": latency_ms})
        measured = report.model_copy(update={"speed": speed})
        return Publication(project, model, measured, judged, tmp_path / "weights", page)

    return publication


def test_a_run_is_published_once_whatever_was_measured_and_decided(store, publication, tmp_path):
    for number in range(ROUNDS):
        project, decisions = f"p{number}", [decision(promote=False, reason=f"Reason {n}.") for n in range(4)]
        publications = [publication(project, one, latency_ms=n) for n, one in enumerate(decisions)]
        cards = together(*(partial(publish, store, one, clock) for one in publications))
        (card,) = versions(store, project)
        assert card in cards
        assert {one.version for one in cards} == {1}
        for one in cards:
            assert_whole(store, one.report, tmp_path)
            assert_whole(store, one.weights, tmp_path)


def test_the_card_has_the_latest_decision_and_that_of_the_champion_the_one_that_promoted_it(store, publication):
    cannot_tell, asked = decision(promote=False, reason="Unsure."), decision(promote=True, reason="On request.")
    assert publish(store, publication("pets", cannot_tell), clock).decision == cannot_tell
    card = publish(store, publication("pets", asked), clock)
    assert (card.version, card.decision) == (1, asked)
    assert store.get(card.report.key)[0] == b"On request."
    move_alias(store, "pets", CHAMPION, AliasMove(version=1, at=NOW, reason=asked.reason), None)
    assert publish(store, publication("pets", cannot_tell), clock) == card


def test_a_promoted_version_always_says_why(store, publication):
    """One run of a model asks for its promotion while the other cannot tell."""
    cannot_tell, asked = decision(promote=False, reason="Unsure."), decision(promote=True, reason="On request.")

    def promoted(project):
        card = publish(store, publication(project, asked), clock)
        move_alias(store, project, CHAMPION, AliasMove(version=1, at=NOW, reason=asked.reason), None)
        confirm(store, card)

    for number in range(5 * ROUNDS):
        project = f"p{number}"
        together(partial(promoted, project), partial(publish, store, publication(project, cannot_tell), clock))
        assert find_alias(store, project, CHAMPION).version == 1
        assert find_version(store, project, 1).decision == asked
