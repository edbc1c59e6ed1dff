"""A chart of lines or dots: its marks and axes, and where each value is in the drawing."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tasks.records import Interval

WIDTH, HEIGHT = 420, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 42
"""Margins around the lines, in pixels of the drawing."""
MARK_ROW = 17
"""Height of the row above the lines that holds a mark's label, one row for each mark."""


@dataclass(frozen=True)
class Series:
    """One line."""

    name: str
    values: Sequence[float]


@dataclass(frozen=True)
class Mark:
    """A dashed vertical line with a label."""

    x: float
    label: str


@dataclass(frozen=True)
class Dot:
    """A measured number, with its interval."""

    x: float
    y: float
    interval: Interval | None
    look: Literal["plain", "hollow", "bold"] = "plain"
    text: str = ""
    """What it stands for, which the page's script shows; only of a chart without lines."""


@dataclass(frozen=True)
class Chart:
    """Lines or dots over one axis. The name is an id on the page; title and labels are never names of others."""

    name: str
    title: str
    x_label: str
    xs: Sequence[float]
    series: Sequence[Series]
    marks: Sequence[Mark] = ()
    y_top: float = 1.0
    dots: Sequence[Dot] = ()
    band: tuple[int, int] | None = None
    """Indices of two series; the area between them is shaded."""
    joined: Sequence[Sequence[int]] = ()
    """Indices of dots that a line joins, for each such line."""
    whole_x: bool = False
    """Whether the horizontal axis has whole numbers only, such as epochs."""

    @property
    def summary(self) -> str:
        """The chart in words, for screen readers."""
        marks = "".join(f"; {mark.label}" for mark in self.marks)
        over = f"{self.title} over {self.x_label} {self.xs[0]:g} to {self.xs[-1]:g}"
        if not self.series:
            values = [dot.y for dot in self.dots]
            return f"{over}: {len(values)} measured, between {min(values):.3f} and {max(values):.3f}{marks}."
        lines = "; ".join(f"{line.name} from {line.values[0]:.3f} to {line.values[-1]:.3f}" for line in self.series)
        dots = "".join(f"; measured {dot.y:.3f} at {dot.x:g}" for dot in self.dots)
        return f"{over}: {lines}{marks}{dots}."

    @property
    def data(self) -> dict[str, Any]:
        """What the page's script needs to answer pointer and keyboard."""
        low, high = self.ends
        left, top, right, bottom = self.box
        dots = {} if self.series else {"y": [dot.y for dot in self.dots], "texts": [dot.text for dot in self.dots]}
        return {
            "box": {"left": left, "top": top, "right": right, "bottom": bottom},
            "x": list(self.xs),
            "from": low,
            "to": high,
            "top": self.y_top,
            "label": self.x_label,
            "names": [line.name for line in self.series],
            "values": [list(line.values) for line in self.series],
            **dots,
        }

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Where the lines are: left, top, right, bottom, in pixels of the drawing."""
        return LEFT, TOP + MARK_ROW * len(self.marks), WIDTH - RIGHT, HEIGHT - BOTTOM

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of the horizontal axis; a single point stands in the middle."""
        first, last = self.xs[0], self.xs[-1]
        return (first, last) if last > first else (first - 1, first + 1)

    def x(self, value: float) -> float:
        """Horizontal place of a value, in pixels of the drawing."""
        left, _, right, _ = self.box
        low, high = self.ends
        return round(left + (right - left) * (value - low) / (high - low), 1)

    def y(self, value: float) -> float:
        """Vertical place of a value, in pixels of the drawing."""
        _, top, _, bottom = self.box
        return round(bottom - (bottom - top) * value / self.y_top, 1)


def ticks(low: float, high: float, max_count: int) -> list[float]:
    """Choose round numbers for an axis.

    Args:
        low: Lower end of the axis.
        high: Upper end of the axis.
        max_count: Maximum number of steps between them.

    Returns:
        Multiples of 1, 2 or 5 times a power of ten, from low to high.
    """
    span = high - low
    if span <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / max_count))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= max_count)
    first = math.ceil(round(low / step, 9))
    return [round(step * index, 9) for index in range(first, math.floor(round(high / step, 9)) + 1)]


def axis_top(series: Sequence[Series]) -> float:
    """A round upper end of the vertical axis, above all values."""
    highest = max(max(line.values) for line in series)
    if highest <= 0:
        return 1.0
    return next((tick for tick in ticks(0, highest * 1.25, 6) if tick >= highest), highest)
