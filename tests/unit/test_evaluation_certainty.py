"""Coverage of intervals and error rate of the gate, by simulation of images and detectors of known skill."""

import numpy as np
import pytest

from tasks import metrics
from tasks.metrics import comparison, intervals
from tasks.promotion.gate import Case, decide
from tasks.records import EvaluationReport, GatePolicy, SplitCounts
from tests.fakes import simulated
from tests.fakes.scores import FILE

SETS = 200


@pytest.fixture(autouse=True)
def fewer_resamples(monkeypatch):
    """Two hundred resamples give the standard error to a twentieth, and the tests take seconds."""
    for module in (intervals, comparison):
        monkeypatch.setattr(module, "RESAMPLES", 200)
    monkeypatch.setattr(intervals, "HALVES", 60)


def simulated_matches(seed, images, skill):
    dice = np.random.default_rng(seed)
    ground_truth = simulated.ground_truth(dice, images)
    return metrics.Matches(ground_truth, simulated.detections(dice, ground_truth, simulated.ease(dice, images), skill))


@pytest.mark.parametrize("images", [20, 60])
def test_intervals_cover_the_value_of_an_infinite_set(images):
    """Ninety-five of a hundred should; of 200 sets 92 to 98 % may. Seven numbers at once: one may be off by chance."""
    infinite = metrics.score_matches(simulated_matches(0, 12_000, 0.8))
    point = metrics.choose_point(simulated_matches(1, 3_000, 0.8))
    at_point = metrics.score_matches(simulated_matches(0, 12_000, 0.8), point)
    true_values = {name: getattr(infinite, name) for name in ("map", "map50", "map75", "ar")}
    true_values |= {name: getattr(at_point, name) for name in ("precision", "recall", "f1")}
    covered = dict.fromkeys(true_values, 0)
    for seed in range(SETS):
        overall = intervals.intervals_of(simulated_matches(100 + seed, images, 0.8), point, seed).overall
        for name, value in true_values.items():
            covered[name] += overall[name][0] <= value <= overall[name][1]
    shares = {name: count / SETS for name, count in covered.items()}
    assert 0.92 <= shares["map"] <= 0.98, shares
    assert 0.92 <= shares["map50"] <= 0.98, shares
    assert 0.92 <= np.mean(list(shares.values())) <= 0.98, shares
    assert min(shares.values()) >= 0.9, shares


def report(weights):
    return EvaluationReport(
        weights_sha256=weights * 64, run_key="c" * 64, snapshot_digest="1" * 64, split="test",
        counts=SplitCounts(images=20, boxes=60, background=0),
        scores=metrics.score_matches(simulated_matches(1, 20, 0.8)),
        detections=FILE, evaluation=FILE,
    )  # fmt: skip


@pytest.mark.parametrize("images", [8, 30])
def test_the_gate_promotes_no_equal_model_in_95_of_100_cases(images):
    """Two detectors of one skill, on the same images, some of which are hard for both."""
    candidate, champion, promoted = report("a"), report("b"), 0
    for seed in range(SETS):
        dice = np.random.default_rng(5_000 + seed)
        ground_truth, ease = simulated.ground_truth(dice, images), simulated.ease(dice, images)
        before, after = (
            metrics.Matches(ground_truth, simulated.detections(dice, ground_truth, ease)) for _ in range(2)
        )
        promoted += decide(
            Case(candidate, champion, metrics.compare(before, after, 1, seed=seed), GatePolicy())
        ).promote
    assert promoted / SETS <= 0.05


def test_the_gate_promotes_a_clearly_better_model():
    """A gate that never promoted would pass the test above."""
    dice = np.random.default_rng(3)
    ground_truth, ease = simulated.ground_truth(dice, 60), simulated.ease(dice, 60)
    before = metrics.Matches(ground_truth, simulated.detections(dice, ground_truth, ease, skill=0.5))
    after = metrics.Matches(ground_truth, simulated.detections(dice, ground_truth, ease, skill=0.95))
    assert decide(Case(report("a"), report("b"), metrics.compare(before, after, 1), GatePolicy())).promote


def test_a_model_gains_nothing_over_itself():
    same = simulated_matches(7, 20, 0.8)
    comparison = metrics.compare(same, same, 4)
    assert (comparison.map.gain, comparison.map.ci95, comparison.bounds) == (0.0, (0.0, 0.0), (0.0, 0.0))
    assert comparison.champion_version == 4
    assert set(comparison.per_class) == set(same.classes)


def test_the_gain_is_the_difference_of_the_scores():
    dice = np.random.default_rng(11)
    ground_truth, ease = simulated.ground_truth(dice, 20), simulated.ease(dice, 20)
    detections = [simulated.detections(dice, ground_truth, ease, skill) for skill in (0.5, 0.9)]
    before, after = (metrics.score(ground_truth, one) for one in detections)
    first, second = (metrics.Matches(ground_truth, one) for one in detections)
    comparison = metrics.compare(first, second, 1, confidence_level=0.5)
    assert comparison.map.gain == pytest.approx(after.map - before.map, abs=1e-6)
    assert comparison.map50.after == pytest.approx(after.map50, abs=1e-6)
    for name, gain in comparison.per_class.items():
        assert gain.gain == pytest.approx(after.per_class[name].ap - before.per_class[name].ap, abs=1e-6)
    low, high = comparison.map.ci95
    assert low < comparison.bounds[0] < comparison.map.gain < comparison.bounds[1] < high
