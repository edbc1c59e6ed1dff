"""Confidence thresholds: precision, recall and F-beta over thresholds, and which threshold to choose."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.matching import IOU_50, Matches
from tasks.records import OperatingPoint, Split, ThresholdCurve, ThresholdGoal

BETAS: Mapping[ThresholdGoal, float] = {"balance": 1.0, "precision": 0.5, "recall": 2.0}
"""F-beta weighs recall beta times as much as precision (van Rijsbergen 1979)."""
GRID = np.round(np.linspace(0.0, 1.0, 101), 2)
"""Thresholds at which curves are drawn."""


class Ranked(NamedTuple):
    """Detections that count, by falling score, and the number of ground-truth boxes they should find."""

    scores: NDArray[np.float64]
    """[D]"""
    hits: NDArray[np.bool_]
    """[D], true positives."""
    box_count: int


class PrecisionRecall(NamedTuple):
    """What a threshold gives, fractions in [0, 1]; precision is 0 where no detection passes."""

    precision: float
    recall: float
    f1: float


def ranked(matches: Matches, label: int | None = None) -> Ranked:
    """Detections of a class, or of all classes, at IoU 0.50."""
    outcomes = matches.outcomes(IOU_50)
    chosen = outcomes.counts if label is None else outcomes.counts & (matches.class_indices == label)
    order = np.argsort(-matches.scores[chosen], kind="stable")
    box_counts = matches.box_counts if label is None else matches.box_counts[label]
    return Ranked(matches.scores[chosen][order], outcomes.hits[chosen][order], int(box_counts.sum()))


def best_threshold(detections: Ranked, beta: float) -> float | None:
    """The score at which F-beta is highest, the largest of equals; None without detections or ground truth."""
    if not len(detections.scores) or not detections.box_count:
        return None
    # Equal scores pass a threshold together: only the last of each is a candidate.
    last = np.flatnonzero(np.append(detections.scores[1:] != detections.scores[:-1], True))
    true_positives = np.cumsum(detections.hits)[last]
    f_beta = (1 + beta**2) * true_positives / (beta**2 * detections.box_count + last + 1)
    return float(detections.scores[last[np.argmax(f_beta)]])


def at_threshold(detections: Ranked, threshold: float) -> PrecisionRecall:
    """Precision, recall and F1 of the detections that score ``threshold`` or more."""
    passed = int(np.searchsorted(-detections.scores, -threshold, side="right"))
    true_positives, boxes = int(detections.hits[:passed].sum()), detections.box_count
    if not passed or not boxes:
        return PrecisionRecall(0.0, 0.0, 0.0)
    return PrecisionRecall(true_positives / passed, true_positives / boxes, 2 * true_positives / (passed + boxes))


def choose_point(
    matches: Matches, threshold_for: ThresholdGoal = "balance", chosen_on: Split | None = None
) -> OperatingPoint:
    """Choose the confidence thresholds with the best F-beta at IoU 0.50, overall and by class.

    Args:
        matches: Matched detections of the split to choose on.
        threshold_for: What the thresholds are chosen for: balance (F1), precision (F0.5) or recall (F2).
        chosen_on: Name of that split; None if it is the measured one.

    Returns:
        The thresholds; a class without a detection or without ground truth has none of its own.
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
    detections = ranked(matches, label)
    points = [at_threshold(detections, float(threshold)) for threshold in GRID]
    return ThresholdCurve(
        precision=tuple(round(point.precision, 4) for point in points),
        recall=tuple(round(point.recall, 4) for point in points),
        f1=tuple(round(point.f1, 4) for point in points),
    )
