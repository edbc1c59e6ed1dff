"""Where to cut detections by score: precision, recall and F over thresholds, and which threshold to take."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.matching import IOU_50, Matches
from tasks.records import OperatingPoint, Split, ThresholdCurve, ThresholdGoal

BETAS: Mapping[ThresholdGoal, float] = {"balance": 1.0, "precision": 0.5, "recall": 2.0}
"""F-beta weighs recall beta times as much as precision."""
GRID = np.round(np.linspace(0.0, 1.0, 101), 2)
"""Thresholds that curves are drawn at."""


class Ranked(NamedTuple):
    """Detections that count, by falling score, with the truths there are to find."""

    scores: NDArray[np.float64]
    hits: NDArray[np.bool_]
    truths: int


class Point(NamedTuple):
    """What a threshold gives, fractions in [0, 1]; precision is 0 where nothing passes."""

    precision: float
    recall: float
    f1: float


def ranked(matches: Matches, label: int | None = None) -> Ranked:
    """Detections of a class, or of all, at IoU 0.50."""
    outcomes = matches.outcomes(IOU_50)
    chosen = outcomes.counts if label is None else outcomes.counts & (matches.labels == label)
    order = np.argsort(-matches.scores[chosen], kind="stable")
    truths = matches.truths if label is None else matches.truths[label]
    return Ranked(matches.scores[chosen][order], outcomes.hits[chosen][order], int(truths.sum()))


def best_threshold(found: Ranked, beta: float) -> float | None:
    """The score at which F-beta is best, the highest of equals; None without detections or truths."""
    if not len(found.scores) or not found.truths:
        return None
    # Equal scores pass a threshold together: only the last of each counts.
    last = np.flatnonzero(np.append(found.scores[1:] != found.scores[:-1], True))
    true = np.cumsum(found.hits)[last]
    value = (1 + beta**2) * true / (beta**2 * found.truths + last + 1)
    return float(found.scores[last[np.argmax(value)]])


def at_threshold(found: Ranked, threshold: float) -> Point:
    """Precision, recall and F1 of detections that score ``threshold`` or more."""
    passed = int(np.searchsorted(-found.scores, -threshold, side="right"))
    return _point(int(found.hits[:passed].sum()), passed, found.truths)


def _point(true: int, passed: int, truths: int) -> Point:
    if not passed or not truths:
        return Point(0.0, 0.0, 0.0)
    return Point(true / passed, true / truths, 2 * true / (passed + truths))


def choose_point(
    matches: Matches, threshold_for: ThresholdGoal = "balance", chosen_on: Split | None = None
) -> OperatingPoint:
    """The thresholds with the best F-beta at IoU 0.50, overall and by class.

    Args:
        matches: Of the split to choose on.
        threshold_for: What counts more: F1, F0.5 for precision, or F2 for recall.
        chosen_on: Name of that split.
    """
    beta = BETAS[threshold_for]
    per_class = {name: best_threshold(ranked(matches, label), beta) for label, name in enumerate(matches.classes)}
    return OperatingPoint(
        threshold_for=threshold_for,
        threshold=best_threshold(ranked(matches), beta) or 0.0,
        per_class={name: threshold for name, threshold in per_class.items() if threshold is not None},
        chosen_on=chosen_on,
    )


def threshold_curve(matches: Matches, label: int | None = None) -> ThresholdCurve:
    """Precision, recall and F1 at each threshold of GRID."""
    found = ranked(matches, label)
    points = [at_threshold(found, float(threshold)) for threshold in GRID]
    return ThresholdCurve(
        precision=tuple(round(point.precision, 4) for point in points),
        recall=tuple(round(point.recall, 4) for point in points),
        f1=tuple(round(point.f1, 4) for point in points),
    )
