"""Charts as SVG.

Own code instead of a plotting library: text stays text, colours come from the page's style sheet, and each series is
an element that the script can hide. A chart says the same without the script.
"""

from collections.abc import Sequence

from markupsafe import escape

from tasks.rendering.chart import HEIGHT, MARK_ROW, TOP, WIDTH, Chart, Dot, Mark, ticks

_MAX_POINTS_WITH_CIRCLES = 30
_MAX_LARGE_DOTS = 60
"""With more dots they are smaller, and their intervals fainter, so that they can be told apart."""


def draw_chart(chart: Chart) -> str:
    """The chart as an SVG element, with its summary as label."""
    look = " crowded" if len(chart.dots) > _MAX_LARGE_DOTS else ""
    parts = [
        f'<svg class="chart{look}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(chart.summary)}" '
        f'data-chart="{chart.name}">',
        *_axes(chart),
        *(_mark(chart, mark, row) for row, mark in enumerate(chart.marks)),
        *_band(chart),
        *(_joined(chart, indices) for indices in chart.joined),
    ]
    for number, series in enumerate(chart.series):
        points = [(chart.x(x), chart.y(value)) for x, value in zip(chart.xs, series.values, strict=True)]
        line = " ".join(f"{x},{y}" for x, y in points)
        with_circles = points if len(points) <= _MAX_POINTS_WITH_CIRCLES else ()
        circles = "".join(f'<circle cx="{x}" cy="{y}" r="2.5"/>' for x, y in with_circles)
        parts.append(f'<g class="series s{number}"><polyline points="{line}"/>{circles}</g>')
    bold_last = sorted(chart.dots, key=lambda dot: dot.look == "bold")  # on top
    return "".join([*parts, *(_dot(chart, dot) for dot in bold_last)]) + "</svg>"


def _band(chart: Chart) -> list[str]:
    if chart.band is None:
        return []
    low, high = (chart.series[number].values for number in chart.band)
    outline = [*zip(chart.xs, low, strict=True), *reversed(list(zip(chart.xs, high, strict=True)))]
    corners = " ".join(f"{chart.x(x)},{chart.y(value)}" for x, value in outline)
    return [f'<polygon class="band" points="{corners}"/>']


def _joined(chart: Chart, indices: Sequence[int]) -> str:
    points = " ".join(f"{chart.x(dot.x)},{chart.y(dot.y)}" for dot in (chart.dots[index] for index in indices))
    return f'<polyline class="joined" points="{points}"/>'


def _dot(chart: Chart, dot: Dot) -> str:
    x, (low, high) = chart.x(dot.x), dot.interval or (dot.y, dot.y)
    line = f'<line x1="{x}" x2="{x}" y1="{chart.y(max(low, 0.0))}" y2="{chart.y(min(high, chart.y_top))}"/>'
    radius = 4.0 if len(chart.dots) <= _MAX_LARGE_DOTS else 2.5
    look = "" if dot.look == "plain" else f" {dot.look}"
    return f'<g class="dot{look}">{line}<circle cx="{x}" cy="{chart.y(dot.y)}" r="{radius:g}"/></g>'


def _axes(chart: Chart) -> list[str]:
    left, _, right, bottom = chart.box
    parts = []
    for tick in ticks(0, chart.y_top, 5):
        y = chart.y(tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{right}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{left - 6}" y="{y}" dy="0.35em" text-anchor="end">{tick:g}</text>')
    for tick in ticks(*chart.ends, 6):
        if chart.xs[0] <= tick <= chart.xs[-1] and (not chart.whole_x or tick == round(tick)):
            parts.append(f'<text x="{chart.x(tick)}" y="{bottom + 17}" text-anchor="middle">{tick:g}</text>')
    middle = (left + right) / 2
    return [
        *parts,
        f'<text class="axis" x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape(chart.x_label)}</text>',
    ]


def _mark(chart: Chart, mark: Mark, row: int) -> str:
    """A line down from its label, which is above the lines, so that no curve crosses it."""
    left, _, right, bottom = chart.box
    x, y = chart.x(mark.x), TOP + MARK_ROW * row
    label_is_right = x <= (left + right) / 2
    anchor, label_x = ("start", x + 5) if label_is_right else ("end", x - 5)
    return (
        f'<g class="mark"><line x1="{x}" x2="{x}" y1="{y}" y2="{bottom}"/>'
        f'<text x="{label_x:.1f}" y="{y + 11}" text-anchor="{anchor}">{escape(mark.label)}</text></g>'
    )
