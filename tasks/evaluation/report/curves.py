"""Line charts as SVG for the report page, and the numbers that its script answers with.

Drawn by own code: text stays text, colours are the page's style sheet's, and each series is an element of its own
that the script can hide. A chart says the same without the script.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import escape

from tasks.evaluation.report.advice import Advice
from tasks.records import Curves, EpochResult, Interval, LearningBand, LearningPoint, ThresholdCurve

WIDTH, HEIGHT = 420, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 12, 10, 42
"""Margins around the lines; above them each mark has a row for its label."""
_ROW = 17
HUNDREDTHS = tuple(index / 100 for index in range(101))
_POINTS_SHOWN = 30
"""With more points a line has no dots."""


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
    """A measured number beside the lines, with its interval."""

    x: float
    y: float
    interval: Interval | None


@dataclass(frozen=True)
class Chart:
    """Lines over one axis. The name is an id on the page; the title and all labels are ours."""

    name: str
    title: str
    x_label: str
    xs: Sequence[float]
    series: Sequence[Series]
    marks: Sequence[Mark] = ()
    y_top: float = 1.0
    y_label: str = ""
    dots: Sequence[Dot] = ()
    band: tuple[int, int] | None = None
    """Numbers of two series; what lies between them is shaded."""

    @property
    def summary(self) -> str:
        """The chart in words, for those who do not see it."""
        lines = "; ".join(f"{one.name} from {one.values[0]:.3f} to {one.values[-1]:.3f}" for one in self.series)
        marks = "".join(f"; {mark.label}" for mark in self.marks)
        dots = "".join(f"; measured {dot.y:.3f} at {dot.x:g}" for dot in self.dots)
        return f"{self.title} over {self.x_label} {self.xs[0]:g} to {self.xs[-1]:g}: {lines}{marks}{dots}."

    @property
    def data(self) -> dict[str, Any]:
        """What the script needs to answer the pointer and the keyboard."""
        low, high = self.ends
        left, top, right, bottom = self.box
        return {
            "box": {"left": left, "top": top, "right": right, "bottom": bottom},
            "x": list(self.xs),
            "from": low,
            "to": high,
            "most": self.y_top,
            "label": self.x_label,
            "names": [one.name for one in self.series],
            "values": [list(one.values) for one in self.series],
        }

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Where the lines are: left, top, right, bottom."""
        return LEFT, TOP + _ROW * len(self.marks), WIDTH - RIGHT, HEIGHT - BOTTOM

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of the axis; one point stands in the middle."""
        first, last = self.xs[0], self.xs[-1]
        return (first, last) if last > first else (first - 1, first + 1)

    def x(self, value: float) -> float:
        """Where a value of the axis is."""
        left, _, right, _ = self.box
        low, high = self.ends
        return round(left + (right - left) * (value - low) / (high - low), 1)

    def y(self, value: float) -> float:
        """Where a value of a line is."""
        _, top, _, bottom = self.box
        return round(bottom - (bottom - top) * value / self.y_top, 1)

    @property
    def svg(self) -> str:
        """The drawing, which says everything without the script."""
        return _draw(self)


def training_charts(history: Sequence[EpochResult], advice: Sequence[Advice]) -> list[Chart]:
    """mAP, losses, precision and recall over epochs, with what the advice marks."""
    epochs = [one.epoch for one in history]
    labels: dict[int, list[str]] = {}
    for one in advice:
        if one.epoch is not None:
            labels.setdefault(one.epoch, []).append(one.mark)
    marks = [Mark(epoch, f"{', '.join(words)} {epoch}") for epoch, words in sorted(labels.items())]
    maps = [Series("mAP", [one.map for one in history]), Series("mAP50", [one.map50 for one in history])]
    losses = [
        Series("training", [one.losses["total"] for one in history]),
        Series("validation", [one.valid_losses["total"] for one in history]),
    ]
    others = [
        Series("precision", [one.precision for one in history]),
        Series("recall", [one.recall for one in history]),
    ]
    titles = (("map", "mAP", maps), ("loss", "Loss", losses), ("others", "Precision and recall", others))
    return [
        Chart(f"training-{name}", title, "epoch", epochs, series, marks, _top(series)) for name, title, series in titles
    ]


def threshold_chart(curve: ThresholdCurve, threshold: float) -> Chart:
    """Precision, recall and F1 over thresholds, with the chosen one."""
    series = [Series("precision", curve.precision), Series("recall", curve.recall), Series("F1", curve.f1)]
    mark = Mark(threshold, f"chosen: {threshold:.3f}")
    return Chart("threshold", "Precision, recall and F1", "threshold", HUNDREDTHS, series, [mark])


def recall_chart(curves: Curves) -> Chart:
    """Precision over recall."""
    series = [Series("precision", curves.precision_at_recall)]
    return Chart("recall", "Precision at recall, IoU 0.50", "recall", HUNDREDTHS, series, y_label="precision")


def learning_chart(band: LearningBand, points: Sequence[LearningPoint]) -> Chart:
    """The learning curve to twice the training images, with what was measured."""
    places = [round(images, 1) for images in band.images]
    series = [
        Series("expected mAP", short(band.middle)),
        Series("lower end, 95 %", short(band.low)),
        Series("upper end, 95 %", short(band.high)),
    ]
    dots = [Dot(point.images, point.map.value, point.map.ci95) for point in points]
    ends = [Series("intervals", [dot.interval[1] if dot.interval else dot.y for dot in dots])]
    marks = [Mark(points[-1].images, f"now: {points[-1].images}")]
    top = min(1.0, _top([*series, *ends]))
    return Chart("learning", "mAP", "training images", places, series, marks, top, dots=dots, band=(1, 2))


def short(values: Sequence[float]) -> list[float]:
    """Four decimals: more than is read off a curve."""
    return [round(value, 4) for value in values]


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from low to high, at most so many."""
    span = high - low
    if span <= 0:
        return [low]
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= most)
    first = math.ceil(round(low / step, 9))
    return [round(step * index, 9) for index in range(first, math.floor(round(high / step, 9)) + 1)]


def _top(series: Sequence[Series]) -> float:
    """A round end of the axis above all values."""
    most = max(max(one.values) for one in series)
    if most <= 0:
        return 1.0
    return next((tick for tick in ticks(0, most * 1.25, 6) if tick >= most), most)


def _draw(chart: Chart) -> str:
    parts = [
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.summary)}" '
        f'data-chart="{chart.name}">',
        *_axes(chart),
        *(_mark(chart, mark, row) for row, mark in enumerate(chart.marks)),
        *_band(chart),
    ]
    for number, one in enumerate(chart.series):
        places = [(chart.x(x), chart.y(value)) for x, value in zip(chart.xs, one.values, strict=True)]
        line = " ".join(f"{x},{y}" for x, y in places)
        dots = places if len(places) <= _POINTS_SHOWN else ()
        circles = "".join(f'<circle cx="{x}" cy="{y}" r="2.5"/>' for x, y in dots)
        parts.append(f'<g class="series s{number}"><polyline points="{line}"/>{circles}</g>')
    return "".join([*parts, *(_dot(chart, dot) for dot in chart.dots)]) + "</svg>"


def _band(chart: Chart) -> list[str]:
    if chart.band is None:
        return []
    low, high = (chart.series[number].values for number in chart.band)
    around = [*zip(chart.xs, low, strict=True), *reversed(list(zip(chart.xs, high, strict=True)))]
    corners = " ".join(f"{chart.x(x)},{chart.y(value)}" for x, value in around)
    return [f'<polygon class="band" points="{corners}"/>']


def _dot(chart: Chart, dot: Dot) -> str:
    x, (low, high) = chart.x(dot.x), dot.interval or (dot.y, dot.y)
    line = f'<line x1="{x}" x2="{x}" y1="{chart.y(max(low, 0.0))}" y2="{chart.y(min(high, chart.y_top))}"/>'
    return f'<g class="dot">{line}<circle cx="{x}" cy="{chart.y(dot.y)}" r="4"/></g>'


def _axes(chart: Chart) -> list[str]:
    left, _, right, bottom = chart.box
    parts = []
    for tick in ticks(0, chart.y_top, 5):
        y = chart.y(tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{left - 6}" y="{y}" dy="0.35em" text-anchor="end">{tick:g}</text>')
    for tick in ticks(*chart.ends, 6):
        # Epochs are whole.
        if chart.x_label != "epoch" or tick == round(tick):
            parts.append(f'<text x="{chart.x(tick)}" y="{bottom + 17}" text-anchor="middle">{tick:g}</text>')
    middle = (left + right) / 2
    return [
        *parts,
        f'<text class="axis" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(chart.x_label)}</text>',
    ]


def _mark(chart: Chart, mark: Mark, row: int) -> str:
    """A line down from its label, which is above the plot, where no curve crosses it."""
    left, _, right, bottom = chart.box
    x, y = chart.x(mark.x), TOP + _ROW * row
    after = x <= (left + right) / 2
    anchor, at = ("start", x + 5) if after else ("end", x - 5)
    return (
        f'<g class="mark"><line x1="{x}" x2="{x}" y1="{y}" y2="{bottom}"/>'
        f'<text x="{at:.1f}" y="{y + 11}" text-anchor="{anchor}">{escape(mark.label)}</text></g>'
    )
