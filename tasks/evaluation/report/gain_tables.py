"""Gains of the report page as rows of tables: over another model, and from twice the labels. Pure."""

from typing import NamedTuple

from tasks.records import Comparison, Estimate, Gain, LearningCurve


class GainRow(NamedTuple):
    """A gain, and what its interval says: better, worse or cannot tell."""

    name: str
    gain: Gain
    word: str


def gains(comparison: Comparison) -> list[GainRow]:
    """Gains over the other model: of all classes first, then of each class, the greatest loss first."""
    by_class = sorted(comparison.per_class.items(), key=lambda item: (item[1].gain, item[0]))
    named = [("mAP, all classes", comparison.map), ("mAP50, all classes", comparison.map50), *by_class]
    return [GainRow(name, gain, _word(gain)) for name, gain in named]


def in_words(comparison: Comparison) -> str:
    """Whether the model is better than the one that it is compared with, in a sentence."""
    gain = comparison.map
    answer = {"better": "Yes", "worse": "No"}.get(verdict(comparison), "It cannot be told")
    change = f"a gain of {gain.gain:.3f}" if gain.gain >= 0 else f"a loss of {-gain.gain:.3f}"
    low, high = gain.ci95
    return (
        f"{answer}: mAP {gain.after:.3f} against {gain.before:.3f} of version {comparison.champion_version} on the "
        f"same {comparison.sources} source images, {change}, 95 % interval {low:+.3f} to {high:+.3f}."
    )


def verdict(comparison: Comparison) -> str:
    """What the interval of the gain in mAP says: better, worse or cannot tell."""
    return _word(comparison.map)


def class_gains(learning: LearningCurve) -> list[tuple[str, Estimate | None]]:
    """Expected gain of each class from twice the labels, the largest first; unknown ones last."""
    return sorted(
        learning.per_class.items(), key=lambda item: (item[1] is None, -item[1].value if item[1] else 0.0, item[0])
    )


def _word(gain: Gain) -> str:
    low, high = gain.ci95
    return "better" if low > 0 else "worse" if high < 0 else "cannot tell"
