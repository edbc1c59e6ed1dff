"""Rows of the report page's tables: numbers and words, in the order in which they are shown. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tasks.records import (
    Calibration,
    ClassScore,
    Comparison,
    ErrorShare,
    Expected,
    Gain,
    Interval,
    LearningCurve,
    OperatingPoint,
    Scores,
    Speed,
    Split,
    ThresholdGoal,
)
from tasks.rendering.pages import number

THRESHOLD_GOALS: Mapping[ThresholdGoal, str] = {
    "balance": "balance: the best F1, which weighs precision and recall alike",
    "precision": "precision: the best F0.5, where a false detection weighs more than a missed box",
    "recall": "recall: the best F2, where a missed box weighs more than a false detection",
}
ERRORS: Mapping[str, tuple[str, str]] = {
    "Cls": ("Wrong class", "In the right place, but taken for another class."),
    "Loc": ("Loose box", "The right class, but the box fits too badly to count (IoU under 0.50)."),
    "Both": ("Wrong class and loose", "Another class, and a box that fits badly."),
    "Dupe": ("Found twice", "One more detection of a box that is already found."),
    "Bkg": ("Nothing there", "A detection where nothing is labelled: it is wrong, or a label is missing."),
    "Miss": ("Missed", "A labelled box that no detection came near."),
}
SHADES = 6
"""Depths of shade of the confusion matrix."""
CONFUSIONS = 12
"""Most frequent confusions that are listed."""
GOOD_GAP = 0.05


class Figure(NamedTuple):
    """One of the headline numbers, with its interval and what has to be said beside it."""

    name: str
    value: str
    interval: str
    note: str


class Cell(NamedTuple):
    """One cell of the confusion matrix; the style is empty without boxes."""

    boxes: int
    style: str


class Confusions(NamedTuple):
    """The confusion matrix: names of its columns and rows, its most frequent mistakes, and what is beside classes."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    top: Sequence[tuple[str, str, int, int]]
    """Labelled class, found class, how often, and how many boxes are labelled so."""
    not_found: int
    not_labelled: int


class Told(NamedTuple):
    """A gain, and what its interval tells."""

    name: str
    gain: Gain
    word: str


def chosen_on(split: Split | None) -> str:
    """Where thresholds come from."""
    return "chosen on these same images, which flatters" if split is None else f"chosen on the {split} split"


def interval_text(interval: Interval | None) -> str:
    """An interval in short."""
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else ""


def figures(scores: Scores) -> list[Figure]:
    """The headline numbers."""
    at = f"at score ≥ {scores.threshold:.3f}, {chosen_on(scores.threshold_from)}"
    shown = (
        ("mAP", "map", scores.map, "IoU 0.50 to 0.95"),
        ("mAP50", "map50", scores.map50, "IoU 0.50"),
        ("mAP75", "map75", scores.map75, "IoU 0.75"),
        ("AR", "ar", scores.ar, "recall of all detections, IoU 0.50 to 0.95"),
        ("Precision", "precision", scores.precision, at),
        ("Recall", "recall", scores.recall, at),
        ("F1", "f1", scores.f1, at),
    )
    return [Figure(name, number(value), interval_text(scores.ci95.get(key)), note) for name, key, value, note in shown]


def sizes(scores: Scores) -> list[tuple[str, str, float | None]]:
    """MAP by size of the labelled boxes."""
    return [
        ("small", "under 32 x 32 pixels", scores.map_small),
        ("medium", "32 x 32 to 96 x 96 pixels", scores.map_medium),
        ("large", "over 96 x 96 pixels", scores.map_large),
    ]


def classes_worst_first(scores: Scores) -> list[tuple[str, ClassScore]]:
    """By AP, and those that cannot be measured last."""
    return sorted(scores.per_class.items(), key=lambda one: (one[1].ap is None, one[1].ap or 0.0, one[0]))


def errors(shares: Sequence[ErrorShare]) -> list[tuple[str, str, ErrorShare, float]]:
    """Name, meaning, numbers, and percent of the costliest one's cost."""
    most = max((share.ap50_cost for share in shares), default=0.0)
    return [(*ERRORS[share.kind], share, 100 * max(share.ap50_cost, 0) / most if most > 0 else 0.0) for share in shares]


def confusions(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Confusions:
    """The matrix of boxes by labelled class (rows) and found class (columns), each with a last one for none."""
    rows = [*classes, "nothing labelled"]
    columns = [*classes, "not found"]
    totals = [sum(row) for row in matrix]
    wrong = sorted(
        (-count, row, column)
        for row, counts in enumerate(matrix[:-1])
        for column, count in enumerate(counts[:-1])
        if count and row != column
    )
    return Confusions(
        columns,
        [
            (rows[row], [Cell(count, _shade(count, totals[row], row == at)) for at, count in enumerate(counts)])
            for row, counts in enumerate(matrix)
        ],
        [(rows[row], columns[column], -count, totals[row]) for count, row, column in wrong[:CONFUSIONS]],
        not_found=sum(row[-1] for row in matrix[:-1]),
        not_labelled=totals[-1],
    )


def _shade(count: int, total: int, right: bool) -> str:
    """A class of the style sheet: hits and mistakes, in depths by their share of the row."""
    if not count:
        return ""
    return f"{'h' if right else 'm'}{min(SHADES, 1 + int(SHADES * count / total))}"


def calibration_in_words(calibration: Calibration, threshold: float) -> str:
    """Whether scores can be read as how often they are right, of detections that are not cut.

    The ECE is over all detections. Thousands have scores near 0 and are wrong, so it says little about the others.
    """
    bins = [one for one in calibration.bins if one.count and one.high > threshold]
    if not bins:
        return "There are no detections, so nothing can be said about scores."
    gaps = [one.count * ((one.score or 0.0) - (one.precision or 0.0)) for one in bins]
    count = sum(one.count for one in bins)
    off = sum(map(abs, gaps)) / count
    text = (
        f"From the threshold on, a score and the share of right detections differ by {off:.3f} on average "
        f"({calibration.ece:.3f} over all detections, the ECE): "
    )
    if off <= GOOD_GAP:
        return f"{text}a score of 0.80 can be read as right in about 80 of 100 cases."
    if sum(gaps) > 0:
        return f"{text}the model is surer than it should be, so do not read a score as a probability."
    return f"{text}the model is right more often than its scores say, so do not read a score as a probability."


def gains(comparison: Comparison) -> list[Told]:
    """Gains of all and of each class, the greatest loss first."""
    by_class = sorted(comparison.per_class.items(), key=lambda one: (one[1].gain, one[0]))
    shown = [("mAP, all classes", comparison.map), ("mAP50, all classes", comparison.map50), *by_class]
    return [Told(name, gain, _told(gain)) for name, gain in shown]


def _told(gain: Gain) -> str:
    low, high = gain.ci95
    return "better" if low > 0 else "worse" if high < 0 else "cannot tell"


def class_gains(learning: LearningCurve) -> list[tuple[str, Expected | None]]:
    """What twice the labels would gain for each class, the most first, and those that nobody can tell last."""
    return sorted(
        learning.per_class.items(), key=lambda one: (one[1] is None, -one[1].value if one[1] else 0.0, one[0])
    )


def speed(measured: Speed) -> list[tuple[str, str]]:
    """How fast the model is."""
    return [
        ("Device", measured.device),
        ("One image, median", f"{measured.latency_ms:.1f} ms"),
        ("One image, 95th percentile", f"{measured.latency_p95_ms:.1f} ms"),
        (f"Images a second, {measured.batch} at a time", f"{measured.throughput:.1f}"),
        ("Parameters", f"{measured.parameters / 1e6:.1f} million"),
        ("Weights file", f"{measured.file_bytes / 1e6:.1f} MB"),
    ]


def point_in_words(scores: Scores, point: OperatingPoint) -> str:
    """Where detections are cut, why there, and what that gives."""
    return (
        f"Detections count from a score of {point.threshold:.3f} on, {chosen_on(point.chosen_on)}. "
        f"There precision is {scores.precision:.3f}, recall {scores.recall:.3f} and F1 {scores.f1:.3f}. "
        f"It favours {THRESHOLD_GOALS[point.threshold_for]}."
    )
