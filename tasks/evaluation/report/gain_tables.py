"""Gains of the report page as rows of tables: over the champion, and from twice the labels. Pure."""

from typing import NamedTuple

from tasks.records import Comparison, Estimate, Gain, LearningCurve


class GainRow(NamedTuple):
    """A gain, and what its interval says: better, worse or cannot tell."""

    name: str
    gain: Gain
    word: str


def gains(comparison: Comparison) -> list[GainRow]:
    """Gains over the champion: of all classes first, then of each class, the greatest loss first."""
    by_class = sorted(comparison.per_class.items(), key=lambda item: (item[1].gain, item[0]))
    named = [("mAP, all classes", comparison.map), ("mAP50, all classes", comparison.map50), *by_class]
    return [GainRow(name, gain, _word(gain)) for name, gain in named]


def class_gains(learning: LearningCurve) -> list[tuple[str, Estimate | None]]:
    """Expected gain of each class from twice the labels, the largest first; unknown ones last."""
    return sorted(
        learning.per_class.items(), key=lambda item: (item[1] is None, -item[1].value if item[1] else 0.0, item[0])
    )


def _word(gain: Gain) -> str:
    low, high = gain.ci95
    return "better" if low > 0 else "worse" if high < 0 else "cannot tell"
