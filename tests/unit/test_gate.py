"""The gate, on both sides of each of its limits."""

import pytest

from tasks.errors import IncomparableReports
from tasks.promotion.gate import Case, decide
from tasks.records import ClassScore, Comparison, EvaluationReport, Gain, GatePolicy, SplitCounts
from tests.fakes.scores import FILE, scores, speed


def report(value=0.5, *, weights="a", snapshot="1", split="test", per_class=None, **more):
    return EvaluationReport(
        weights_sha256=weights * 64,
        run_key="c" * 64,
        snapshot_digest=snapshot * 64,
        split=split,
        counts=SplitCounts(images=20, boxes=40, background=1),
        scores=scores(value, per_class=per_class or {}),
        detections=FILE,
        evaluation=FILE,
        **more,
    )


def compared(before, after, low, high, *, sources=20, left_out=0):
    gain = Gain(before=before, after=after, gain=after - before, ci95=(low, high))
    return Comparison(
        champion_version=3, sources=sources, left_out=left_out, confidence_level=0.95, bounds=(low, high), map=gain,
        map50=gain, per_class={},
    )  # fmt: skip


def decision_of(candidate, champion=None, comparison=None, policy=None, override=None):
    return decide(Case(candidate, champion, comparison, policy or GatePolicy()), override)


def judged(low, high, policy=None, *, before=0.5, after=0.55, **more):
    comparison = compared(before, after, low, high, **more)
    return decision_of(report(after), report(before, weights="b"), comparison, policy)


def test_the_first_model_becomes_champion_whatever_its_map():
    decision = decision_of(report(0.0), policy=GatePolicy(min_gain=0.5))
    assert (decision.promote, decision.verdict) == (True, "promote")
    assert decision.reason == "First model: mAP 0 on 20 test images, no champion to beat."
    assert (decision.candidate_map, decision.champion_map, decision.champion_version) == (0.0, None, None)


@pytest.mark.parametrize(
    ("low", "high", "min_gain", "verdict"),
    [
        (0.001, 0.1, 0.0, "promote"),
        (0.0, 0.1, 0.0, "cannot tell"),
        (-0.01, 0.1, 0.0, "cannot tell"),
        (-0.1, 0.001, 0.0, "cannot tell"),
        (-0.1, 0.0, 0.0, "keep"),
        (-0.1, -0.01, 0.0, "keep"),
        (0.021, 0.1, 0.02, "promote"),
        (0.02, 0.1, 0.02, "cannot tell"),
        (0.001, 0.02, 0.02, "keep"),
    ],
)
def test_the_whole_interval_of_the_gain_decides(low, high, min_gain, verdict):
    decision = judged(low, high, GatePolicy(min_gain=min_gain))
    assert decision.verdict == verdict
    assert decision.promote is (verdict == "promote")


def test_reasons_contain_the_figures():
    assert judged(0.004, 0.096).reason == (
        "mAP 0.55 against 0.5 of champion version 3 on the same 20 test images: a gain of 0.05, "
        "95 % interval +0.004 to +0.096, surely more than 0, as asked."
    )
    assert judged(-0.1, -0.02, before=0.5, after=0.44).reason.endswith(
        "a loss of 0.06, 95 % interval -0.100 to -0.020, surely not more than 0, as asked."
    )
    unknown = judged(-0.01, 0.11, GatePolicy(min_gain=0.02), left_out=4).reason
    assert "20 test images, 4 left out that the champion was trained on: a gain of 0.05" in unknown
    assert "cannot be told whether it is more than 0.02; more labelled test images would" in unknown


def test_too_few_images_cannot_tell_however_clear_the_gain():
    assert judged(0.2, 0.4, sources=7).verdict == "cannot tell"
    assert "7 source images to compare on are fewer than 8" in judged(0.2, 0.4, sources=7).reason
    assert judged(0.2, 0.4, sources=8).verdict == "promote"
    assert judged(0.2, 0.4, GatePolicy(min_images=5), sources=7).verdict == "promote"


OBSTACLE = "its run cccccccccccc is not in the store any more"


def without_comparison(candidate, policy=None, override=None):
    """A candidate, beside a champion that cannot be measured."""
    return decide(Case(candidate, None, None, policy or GatePolicy(), OBSTACLE), override)


def test_a_champion_that_cannot_be_measured_stays_unless_a_person_asks():
    decision = without_comparison(report(0.9))
    assert (decision.promote, decision.verdict) == (False, "cannot tell")
    assert decision.reason == (
        f"It cannot be compared with the champion: {OBSTACLE}; --promote-anyway promotes it all the same."
    )
    assert (decision.candidate_map, decision.champion_map, decision.champion_version) == (0.9, None, None)
    asked = without_comparison(report(0.9), override="the old one is lost")
    assert (asked.promote, asked.verdict, asked.overridden) == (True, "cannot tell", "the old one is lost")
    assert OBSTACLE in asked.reason


def test_other_rules_hold_beside_a_champion_that_cannot_be_measured():
    assert without_comparison(report(0.0)).verdict == "keep"
    assert without_comparison(report(speed=speed(latency_ms=60)), GatePolicy(max_latency_ms=50)).verdict == "keep"


def test_without_an_image_that_is_new_to_the_champion_it_cannot_be_told():
    decision = decision_of(report(), report(weights="b"))
    assert (decision.promote, decision.verdict) == (False, "cannot tell")
    assert "trained on all labelled images of the test split" in decision.reason


def test_the_champions_own_weights_are_not_promoted():
    decision = decision_of(report(0.6), report(0.5), compared(0.5, 0.6, 0.05, 0.2))
    assert decision.verdict == "keep"
    assert decision.reason == "It is the same model as the champion: weights aaaaaaaaaaaa."


def test_a_model_with_map_0_never_replaces_a_champion():
    decision = decision_of(report(0.0), report(0.0, weights="b"), compared(0.0, 0.0, 0.0, 0.0))
    assert decision.verdict == "keep"
    assert "mAP is 0 on 20 test images" in decision.reason


@pytest.mark.parametrize(
    ("ap", "verdict"), [(0.5, "promote"), (0.499, "keep"), (None, "cannot tell"), ("absent", "cannot tell")]
)
@pytest.mark.parametrize("is_first", [True, False])
def test_min_ap_of_a_class_holds_with_and_without_a_champion(ap, verdict, is_first):
    per_class = {} if ap == "absent" else {"cat": ClassScore(ap=ap, truths=5 if ap else 0)}
    candidate, policy = report(per_class=per_class), GatePolicy(min_ap={"cat": 0.5})
    if is_first:
        decision = decision_of(candidate, policy=policy)
    else:
        decision = decision_of(candidate, report(weights="b"), compared(0.4, 0.5, 0.05, 0.15), policy)
    assert decision.verdict == verdict
    assert [check.name for check in decision.checks][-1] == "AP of cat"


@pytest.mark.parametrize(
    ("latency", "megabytes", "verdict"), [(20, 76, "promote"), (20.1, 76, "keep"), (20, 77, "keep")]
)
def test_max_latency_and_max_file_size(latency, megabytes, verdict):
    policy = GatePolicy(max_latency_ms=20, max_file_mb=76)
    assert decision_of(report(speed=speed(latency, megabytes * 10**6)), policy=policy).verdict == verdict
    unknown = decision_of(report(), policy=policy)
    assert (unknown.verdict, unknown.reason) == (
        "cannot tell", "The latency was not measured, and at most 20 ms an image is asked.",
    )  # fmt: skip


def test_a_failed_check_decides_before_an_open_one():
    policy = GatePolicy(max_latency_ms=10)
    comparison = compared(0.4, 0.5, -0.05, 0.15)
    decision = decision_of(report(speed=speed(20)), report(weights="b"), comparison, policy)
    assert (decision.verdict, decision.reason) == ("keep", "The latency is 20.0 ms an image, and at most 10 is asked.")
    assert [check.passed for check in decision.checks] == [None, False]


def test_an_override_promotes_and_is_recorded():
    comparison = compared(0.5, 0.4, -0.15, -0.05)
    decision = decision_of(report(0.4), report(weights="b"), comparison, override="new camera")
    assert (decision.promote, decision.verdict, decision.overridden) == (True, "keep", "new camera")
    assert decision.reason.startswith("Promoted on request (new camera). mAP 0.4 against 0.5")


@pytest.mark.parametrize("other", [{"snapshot": "2"}, {"split": "valid"}])
def test_reports_on_different_images_are_not_compared(other):
    with pytest.raises(
        IncomparableReports, match=r"test split of snapshot 1{12}.*measure the champion on snapshot 1{12}"
    ):
        decision_of(report(0.6), report(0.5, weights="b", **other))


def test_what_was_rolled_back_stays_so_however_good_it_is():
    rollback = "version 2 was rolled back by Ada on 2026-11-28 (misses dogs at night)"
    comparison = compared(0.5, 0.9, 0.3, 0.5)
    case = Case(report(0.9), report(0.5, weights="b"), comparison, GatePolicy(), rollback=rollback)
    decision = decide(case)
    assert (decision.promote, decision.verdict) == (False, "keep")
    assert decision.reason == (
        f"It was the champion before: {rollback}; `nasflow models promote` makes it the champion again."
    )
    assert decide(case, "the lights are on again").promote
