"""The form of an advice, and what the rules share."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.records import Interval, Scores

MAX_WIDTH = 0.3
"""An interval of AP that is wider, from end to end, says little about its class; chosen."""
MAX_NAMED_CLASSES = 5
"""Maximum number of classes that a sentence names."""


class Advice(NamedTuple):
    """A sentence with its rule and, if it is about an epoch, where to mark it in the curves over epochs."""

    text: str
    rule: str
    epoch: int | None = None
    mark: str = ""


def width(interval: Interval | None) -> float:
    """Width of an interval from end to end; 0 without one."""
    # Rounded, because 0.6 - 0.3 is more than 0.3 in floating point.
    return round(interval[1] - interval[0], 9) if interval else 0.0


def ap_intervals(scores: Scores) -> list[tuple[str, Interval]]:
    """Intervals of AP by class, the widest first."""
    intervals = [(name, score.ci95["ap"]) for name, score in scores.per_class.items() if "ap" in score.ci95]
    return sorted(intervals, key=lambda item: (-width(item[1]), item[0]))


def first_few(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMED_CLASSES} more" if len(names) > MAX_NAMED_CLASSES else ""
    return ", ".join(names[:MAX_NAMED_CLASSES]) + more
