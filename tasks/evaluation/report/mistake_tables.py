"""Mistakes of the report page as rows of tables and as sentences: kinds of error, confusions, calibration. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tasks.records import Calibration, ErrorShare

ERRORS: Mapping[str, tuple[str, str]] = {
    "Cls": ("Wrong class", "In the right place, but taken for another class."),
    "Loc": ("Loose box", "The right class, but the box fits too badly to count (IoU under 0.50)."),
    "Both": ("Wrong class and loose", "Another class, and a box that fits badly."),
    "Dupe": ("Duplicate", "One more detection of a box that is already found."),
    "Bkg": ("False positive (invented)", "A detection where nothing is labelled: it is wrong, or a label is missing."),
    "Miss": ("False negative (missed)", "A labelled box that no detection came near."),
}
"""Name and meaning of each of TIDE's kinds of error."""
SHADES = 6
"""Depths of shade of the confusion matrix."""
MAX_LISTED_CONFUSIONS = 12
MAX_CALIBRATION_GAP = 0.05
"""Mean difference of score and precision up to which scores can be read as probabilities; chosen."""


class Cell(NamedTuple):
    """One cell of the confusion matrix; the style is empty without boxes."""

    boxes: int
    style: str


class Confusions(NamedTuple):
    """The confusion matrix with the names of its rows and columns, and its most frequent confusions."""

    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    top: Sequence[tuple[str, str, int, int]]
    """Labelled class, detected class, number of boxes, and number of boxes labelled so."""
    false_negatives: int
    false_positives: int


def errors(shares: Sequence[ErrorShare]) -> list[tuple[str, str, ErrorShare, float]]:
    """Name, meaning, numbers, and cost in percent of the highest cost."""
    max_cost = max((share.ap50_cost for share in shares), default=0.0)
    return [
        (*ERRORS[share.kind], share, 100 * max(share.ap50_cost, 0) / max_cost if max_cost > 0 else 0.0)
        for share in shares
    ]


def confusions(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Confusions:
    """The matrix of boxes by labelled class (rows) and detected class (columns), each with a last one for none."""
    rows = [*classes, "nothing labelled"]
    columns = [*classes, "not found"]
    totals = [sum(row) for row in matrix]
    confused = sorted(
        (-count, row, column)
        for row, counts in enumerate(matrix[:-1])
        for column, count in enumerate(counts[:-1])
        if count and row != column
    )
    return Confusions(
        columns,
        [
            (rows[row], [Cell(count, _shade(count, totals[row], row == column)) for column, count in enumerate(counts)])
            for row, counts in enumerate(matrix)
        ],
        [(rows[row], columns[column], -count, totals[row]) for count, row, column in confused[:MAX_LISTED_CONFUSIONS]],
        false_negatives=sum(row[-1] for row in matrix[:-1]),
        false_positives=totals[-1],
    )


def calibration_in_words(calibration: Calibration, threshold: float) -> str:
    """Whether scores can be read as probabilities, for detections above the confidence threshold.

    The ECE is over all detections. Thousands of them have scores near 0 and are wrong, so it says little about the
    others.
    """
    bins = [bin_ for bin_ in calibration.bins if bin_.count and bin_.high > threshold]
    if not bins:
        return "There are no detections, so nothing can be said about scores."
    gaps = [bin_.count * ((bin_.score or 0.0) - (bin_.precision or 0.0)) for bin_ in bins]
    mean_gap = sum(map(abs, gaps)) / sum(bin_.count for bin_ in bins)
    text = (
        f"From the threshold on, a score and the share of right detections differ by {mean_gap:.3f} on average "
        f"({calibration.ece:.3f} over all detections, the ECE): "
    )
    if mean_gap <= MAX_CALIBRATION_GAP:
        return f"{text}a score of 0.80 can be read as right in about 80 of 100 cases."
    if sum(gaps) > 0:
        return f"{text}the model is surer than it should be, so do not read a score as a probability."
    return f"{text}the model is right more often than its scores say, so do not read a score as a probability."


def _shade(count: int, total: int, is_right: bool) -> str:
    """A class of the style sheet: h for hits or m for mistakes, with a depth by the share of the row."""
    if not count:
        return ""
    return f"{'h' if is_right else 'm'}{min(SHADES, 1 + int(SHADES * count / total))}"
