"""Curves over epochs as SVG for the report page: text stays text, colours follow the page's light or dark."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.records import EpochResult

_INK = "#010203"
"""Stands for the page's text colour until the SVG is written; nothing else is drawn in it."""
_COLOURS = ("#2f80d8", "#e0792b")
"""Of the first and second line; both read well on white and on near black."""
_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "nasflow",
    "font.size": 10,
    "text.color": _INK,
    "axes.labelcolor": _INK,
    "axes.edgecolor": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": _INK,
    "grid.alpha": 0.12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "ytick.major.size": 0,
}


@dataclass(frozen=True)
class Curve:
    """One chart: its name, what it says in a sentence, and the SVG."""

    title: str
    summary: str
    svg: str


def draw_curves(history: Sequence[EpochResult], best_epoch: int) -> list[Curve]:
    """Draw mAP, losses, precision and recall over epochs; the same history gives the same bytes.

    Args:
        history: Results by epoch, at least one.
        best_epoch: Epoch whose weights were kept; marked.
    """
    epochs = [one.epoch for one in history]
    lines: dict[str, dict[str, list[float]]] = {
        "mAP": {"mAP 0.50:0.95": [one.map for one in history], "mAP 0.50": [one.map50 for one in history]},
        "Loss": {
            "training": [one.losses["total"] for one in history],
            "validation": [one.valid_losses["total"] for one in history],
        },
        "Precision": {"precision": [one.precision for one in history]},
        "Recall": {"recall": [one.recall for one in history]},
    }
    return [
        Curve(title, _summary(title, values, epochs, best_epoch), _draw(title, values, epochs, best_epoch))
        for title, values in lines.items()
    ]


def _summary(title: str, lines: Mapping[str, Sequence[float]], epochs: Sequence[int], best_epoch: int) -> str:
    """The chart in words, for those who do not see it."""
    parts = (f"{name} from {values[0]:.3f} to {values[-1]:.3f}" for name, values in lines.items())
    return f"{title} over epochs {epochs[0]} to {epochs[-1]}: {', '.join(parts)}; best epoch {best_epoch}."


def _draw(title: str, lines: Mapping[str, Sequence[float]], epochs: Sequence[int], best_epoch: int) -> str:
    # Here, since whoever imports the report should not pay for matplotlib before a report is drawn.
    from matplotlib import rc_context
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    with rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 2.9), layout="constrained")
        axes = figure.add_subplot()
        marker = "o" if len(epochs) <= 30 else ""
        for colour, (name, values) in zip(_COLOURS, lines.items(), strict=False):
            axes.plot(epochs, values, color=colour, marker=marker, markersize=3.5, linewidth=1.8, label=name)
        axes.axvline(best_epoch, color=_INK, alpha=0.45, linewidth=1, linestyle=(0, (3, 3)), zorder=0)
        right = best_epoch > (epochs[0] + epochs[-1]) / 2
        axes.annotate(
            f"best: {best_epoch}",
            (best_epoch, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if right else 4, -1),
            textcoords="offset points",
            ha="right" if right else "left",
            va="top",
            fontsize=9,
        )
        axes.set(xlabel="epoch", ylabel={"Loss": "total loss", "mAP": "mAP"}.get(title, title.lower()))
        axes.set_xlim(epochs[0] - 0.5, epochs[-1] + 0.5)
        top = max(max(values) for values in lines.values())
        axes.set_ylim(0, top * 1.18 or 1)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
        axes.grid(axis="y")
        if len(lines) > 1:
            figure.legend(loc="outside upper left", ncols=2, frameon=False, fontsize=9, handlelength=1.4)
        written = io.StringIO()
        figure.savefig(written, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return _for_page(written.getvalue(), title.lower())


def _for_page(svg: str, name: str) -> str:
    """Only the element itself, with ids of its own, the page's font and the page's text colour."""
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]+", r"font: \1 system-ui, sans-serif", svg)
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1).replace(_INK, "currentColor")
