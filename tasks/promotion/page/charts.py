"""The charts of the project's page: mAP of each version, by number and by how many labels it was trained on."""

from collections.abc import Sequence
from typing import Any

from tasks.promotion.page.content import ProjectContent
from tasks.records import ModelVersion
from tasks.rendering.chart import WIDTH, Chart, Dot, Mark, Series, axis_top


def versions_chart(content: ProjectContent) -> Chart:
    """MAP of all versions in the order of their numbers, with the champion marked."""
    places = [(version, version.version) for version in content.versions]
    return _chart(content, ("versions", "mAP of each version", "version"), places)


def labels_chart(content: ProjectContent) -> Chart | None:
    """MAP over the number of training images; None if no version's labels are known."""
    places = [
        (version, content.labels[version.version].training_images)
        for version in content.versions
        if version.version in content.labels
    ]
    in_order = sorted(places, key=lambda place: (place[1], place[0].version))
    return (
        _chart(content, ("labels", "mAP by number of training images", "training images"), in_order) if places else None
    )


def script_data(charts: Sequence[Chart]) -> dict[str, Any]:
    """What the page's script works with."""
    return {"width": WIDTH, "charts": {chart.name: chart.data for chart in charts}}


def _chart(content: ProjectContent, names: tuple[str, str, str], places: Sequence[tuple[ModelVersion, int]]) -> Chart:
    dots = [_dot(content, version, x) for version, x in places]
    upper_ends = Series("upper ends", [dot.interval[1] if dot.interval else dot.y for dot in dots])
    marks = [
        Mark(x, f"champion: {version.version}") for version, x in places if version.version == content.champion_number
    ]
    indices: dict[int, list[int]] = {}
    for index, (version, _) in enumerate(places):
        indices.setdefault(content.image_sets[version.version], []).append(index)
    return Chart(
        *names, [dot.x for dot in dots], (), marks, min(1.0, axis_top([upper_ends])),
        dots=dots, joined=[of_set for of_set in indices.values() if len(of_set) > 1], whole_x=True,
    )  # fmt: skip


def _dot(content: ProjectContent, version: ModelVersion, x: int) -> Dot:
    scores, labels = version.scores, content.labels.get(version.version)
    interval = scores.ci95.get("map")
    parts = [
        f"version {version.version}: mAP {scores.map:.3f}",
        f"{interval[0]:.3f} to {interval[1]:.3f}" if interval else "no interval",
        f"{labels.training_images} training images" if labels else "labels not known",
        f"image set {content.image_sets[version.version]}",
    ]
    is_champion = version.version == content.champion_number
    if version.version in content.champions:
        parts.append("champion" if is_champion else "champion before")
    is_bold = version.version in content.champions
    return Dot(x, scores.map, interval, "bold" if is_bold else "hollow", ", ".join(parts))
