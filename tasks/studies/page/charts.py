"""The charts of a study's page: mAP of each model over the time that an image takes, and over its size. Pure."""

from collections.abc import Callable
from typing import Any

from tasks.records import SettingsStudy, StudiedModel
from tasks.rendering.chart import WIDTH, Chart, Dot, Series, axis_top

MILLION = 1e6


def charts_of(study: SettingsStudy) -> list[Chart]:
    """The charts for which there are numbers."""
    titles = (("time", "mAP by time of an image", "ms"), ("size", "mAP by size", "million parameters"))
    drawn = zip(titles, (_latency, _parameters), strict=True)
    return [chart for title, number in drawn if (chart := _chart(study, title, number))]


def script_data(charts: list[Chart]) -> dict[str, Any]:
    """What the page's script works with."""
    return {"width": WIDTH, "charts": {chart.name: chart.data for chart in charts}}


def _latency(model: StudiedModel) -> float | None:
    return model.latency_ms


def _parameters(model: StudiedModel) -> float | None:
    return None if model.parameters is None else model.parameters / MILLION


def _chart(
    study: SettingsStudy, names: tuple[str, str, str], number: Callable[[StudiedModel], float | None]
) -> Chart | None:
    places = sorted(
        ((x, model) for model in study.models if (x := number(model)) is not None), key=lambda place: place[0]
    )
    if not places:
        return None
    dots = [_dot(study, model, round(x, 3)) for x, model in places]
    upper_ends = Series("upper ends", [dot.interval[1] if dot.interval else dot.y for dot in dots])
    return Chart(*names, [dot.x for dot in dots], (), y_top=min(1.0, axis_top([upper_ends])), dots=dots)


def _dot(study: SettingsStudy, model: StudiedModel, x: float) -> Dot:
    interval = model.map.ci95
    parts = [
        f"{model.name}: mAP {model.map.value:.3f}",
        f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "no interval",
        f"{model.latency_ms:.1f} ms an image" if model.latency_ms is not None else "time not measured",
    ]
    is_choice = model.run_key == study.recommended
    if is_choice:
        parts.append("recommended")
    return Dot(x, model.map.value, interval, "bold" if is_choice else "hollow", ", ".join(parts))
