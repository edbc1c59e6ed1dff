"""Scores of the report page as rows of tables and as sentences, in the order in which they are shown. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from tasks.records import ClassScore, Interval, OperatingPoint, Scores, Speed, Split, ThresholdGoal
from tasks.rendering.pages import number

THRESHOLD_GOALS: Mapping[ThresholdGoal, str] = {
    "balance": "balance: the best F1, which weighs precision and recall equally",
    "precision": "precision: the best F0.5, where a false positive weighs more than a false negative (a missed box)",
    "recall": "recall: the best F2, where a false negative (a missed box) weighs more than a false positive",
}


class Figure(NamedTuple):
    """One of the headline numbers, with its interval and a note on how it is measured."""

    name: str
    value: str
    interval: str
    note: str


def chosen_on(split: Split | None) -> str:
    """Where the confidence thresholds come from."""
    return "chosen on these same images, which flatters" if split is None else f"chosen on the {split} split"


def interval_text(interval: Interval | None) -> str:
    """An interval with three decimals; empty without one."""
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""


def figures(scores: Scores) -> list[Figure]:
    """The headline numbers."""
    at_threshold = f"at confidence threshold {scores.threshold:.3f}, {chosen_on(scores.threshold_from)}"
    rows = (
        ("mAP", "map", scores.map, "IoU 0.50 to 0.95"),
        ("mAP50", "map50", scores.map50, "IoU 0.50"),
        ("mAP75", "map75", scores.map75, "IoU 0.75"),
        ("AR", "ar", scores.ar, "recall of all detections, IoU 0.50 to 0.95"),
        ("Precision", "precision", scores.precision, at_threshold),
        ("Recall", "recall", scores.recall, at_threshold),
        ("F1", "f1", scores.f1, at_threshold),
    )
    return [Figure(name, number(value), interval_text(scores.ci95.get(key)), note) for name, key, value, note in rows]


def sizes(scores: Scores) -> list[tuple[str, str, float | None]]:
    """MAP by size of the labelled boxes: name, meaning and mAP of each size."""
    return [
        ("small", "under 32 x 32 pixels", scores.map_small),
        ("medium", "32 x 32 to 96 x 96 pixels", scores.map_medium),
        ("large", "over 96 x 96 pixels", scores.map_large),
    ]


def classes_worst_first(scores: Scores) -> list[tuple[str, ClassScore]]:
    """Classes by AP, lowest first; those that cannot be measured last."""
    return sorted(scores.per_class.items(), key=lambda item: (item[1].ap is None, item[1].ap or 0.0, item[0]))


def speed(measured: Speed) -> list[tuple[str, str]]:
    """Name and value of each number of the model's speed."""
    return [
        ("Device", measured.device),
        ("One image, median", f"{measured.latency_ms:.1f} ms"),
        ("One image, 95th percentile", f"{measured.latency_p95_ms:.1f} ms"),
        (f"Images a second, {measured.batch} at a time", f"{measured.throughput:.1f}"),
        ("Parameters", f"{measured.parameters / 1e6:.1f} million"),
        ("Weights file", f"{measured.file_bytes / 1e6:.1f} MB"),
    ]


def point_in_words(scores: Scores, point: OperatingPoint) -> str:
    """The confidence threshold, how it was chosen, and the scores at it."""
    return (
        f"Detections count from a confidence of {point.threshold:.3f} on, {chosen_on(point.chosen_on)}. "
        f"There precision is {scores.precision:.3f}, recall {scores.recall:.3f} and F1 {scores.f1:.3f}. "
        f"It is chosen for {THRESHOLD_GOALS[point.threshold_for]}."
    )
