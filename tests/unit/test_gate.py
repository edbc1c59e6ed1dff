"""The gate, on both sides of each of its edges."""

import pytest

from tasks.errors import IncomparableReports
from tasks.promotion.gate import decide
from tasks.records import EvaluationReport, Scores, SplitCounts, StoredFile

FILE = StoredFile(key="x", sha256="f" * 64, size=1)


def report(value, *, weights="a", snapshot="1", split="test"):
    return EvaluationReport(
        weights_sha256=weights * 64,
        run_key="c" * 64,
        snapshot_digest=snapshot * 64,
        split=split,
        counts=SplitCounts(images=20, boxes=40, background=1),
        scores=Scores(map=value, map50=value, map75=value, precision=0, recall=0, threshold=0, per_class={}),
        detections=FILE,
        report=FILE,
    )


def test_first_model_becomes_champion():
    decision = decide(report(0.1), None, None, 0.5)
    assert decision.promote
    assert decision.reason == "First model: mAP 0.1 on 20 test pictures, no champion to compare with."
    assert (decision.candidate_map, decision.champion_map, decision.champion_version) == (0.1, None, None)


@pytest.mark.parametrize(
    ("candidate", "champion", "min_gain", "promote"),
    [
        (0.51, 0.50, 0.01, True),  # 0.010000000000000009 in floating point
        (0.31, 0.30, 0.01, True),  # 0.010000000000000009
        (0.29, 0.28, 0.01, True),  # 0.009999999999999953
        (0.509999, 0.50, 0.01, False),
        (0.50, 0.50, 0.0, False),
        (0.500001, 0.50, 0.0, True),
        (0.5000001, 0.50, 0.0, False),
        (0.49, 0.50, 0.0, False),
    ],
)
def test_promotes_from_the_smallest_gain_on(candidate, champion, min_gain, promote):
    assert decide(report(candidate), report(champion, weights="b"), 3, min_gain).promote is promote


def test_reason_has_the_figures():
    reason = decide(report(0.512), report(0.5, weights="b"), 3, 0.02).reason
    assert reason == (
        "mAP 0.512 against 0.5 of champion version 3 on the same 20 test pictures: "
        "a gain of 0.012 where at least 0.02 is asked."
    )
    assert "a loss of 0.1 where more than 0 is asked" in decide(report(0.4), report(0.5, weights="b"), 3, 0).reason
    assert "no gain where more than 0" in decide(report(0.5), report(0.5, weights="b"), 3, 0).reason


def test_same_weights_are_not_promoted():
    decision = decide(report(0.6), report(0.5), 3, 0)
    assert not decision.promote
    assert decision.reason == "It is the same model as champion version 3: weights aaaaaaaaaaaa."


def test_the_first_model_becomes_champion_whatever_it_finds():
    assert decide(report(0.0), None, None, 0.5).promote


def test_a_model_that_finds_nothing_never_replaces_a_champion():
    decision = decide(report(0.0), report(0.0, weights="b"), 1, 0)
    assert not decision.promote
    assert "mAP is 0 on 20 test pictures" in decision.reason


@pytest.mark.parametrize("other", [{"snapshot": "2"}, {"split": "valid"}])
def test_reports_on_different_pictures_are_not_compared(other):
    with pytest.raises(IncomparableReports, match=r"test split of snapshot 1{12}.*measure version 3 on snapshot 1{12}"):
        decide(report(0.6), report(0.5, weights="b", **other), 3, 0)
