"""The charts of the report page, and the data that its script draws them from for each class."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.evaluation.report.advice.sentences import Advice
from tasks.records import Curves, EpochResult, Evaluation, LearningBand, LearningCurve, ThresholdCurve
from tasks.rendering.chart import WIDTH, Chart, Dot, Mark, Series, axis_top

HUNDREDTHS = tuple(index / 100 for index in range(101))


def training_charts(history: Sequence[EpochResult], advice: Sequence[Advice]) -> list[Chart]:
    """mAP, losses, precision and recall over epochs, with the epochs that the advice marks."""
    epochs = [epoch.epoch for epoch in history]
    labels: dict[int, list[str]] = {}
    for sentence in advice:
        if sentence.epoch is not None:
            labels.setdefault(sentence.epoch, []).append(sentence.mark)
    marks = [Mark(epoch, f"{', '.join(words)} {epoch}") for epoch, words in sorted(labels.items())]
    maps = [Series("mAP", [epoch.map for epoch in history]), Series("mAP50", [epoch.map50 for epoch in history])]
    losses = [
        Series("training", [epoch.losses["total"] for epoch in history]),
        Series("validation", [epoch.valid_losses["total"] for epoch in history]),
    ]
    others = [
        Series("precision", [epoch.precision for epoch in history]),
        Series("recall", [epoch.recall for epoch in history]),
    ]
    charts = (("map", "mAP", maps), ("loss", "Loss", losses), ("others", "Precision and recall", others))
    return [
        Chart(f"training-{name}", title, "epoch", epochs, series, marks, axis_top(series), whole_x=True)
        for name, title, series in charts
    ]


def threshold_chart(curve: ThresholdCurve, threshold: float) -> Chart:
    """Precision, recall and F1 over confidence thresholds, with the chosen one."""
    series = [Series("precision", curve.precision), Series("recall", curve.recall), Series("F1", curve.f1)]
    mark = Mark(threshold, f"chosen: {threshold:.3f}")
    return Chart("threshold", "Precision, recall and F1", "threshold", HUNDREDTHS, series, [mark])


def recall_chart(curves: Curves) -> Chart:
    """Precision over recall."""
    series = [Series("precision", curves.precision_at_recall)]
    return Chart("recall", "Precision at recall, IoU 0.50", "recall", HUNDREDTHS, series)


def learning_chart(curve: LearningCurve, band: LearningBand) -> Chart:
    """The learning curve up to twice the training images, with the measured points."""
    points = curve.points
    images = [round(count, 1) for count in band.images]
    series = [
        Series("expected mAP", _four_decimals(band.middle)),
        Series("lower end, 95 %", _four_decimals(band.low)),
        Series("upper end, 95 %", _four_decimals(band.high)),
    ]
    dots = [Dot(point.independent_images, point.map.value, point.map.ci95) for point in points]
    upper_ends = Series("intervals", [dot.interval[1] if dot.interval else dot.y for dot in dots])
    marks = [Mark(points[-1].independent_images, f"now: {points[-1].independent_images}")]
    top = min(1.0, axis_top([*series, upper_ends]))
    return Chart("learning", "mAP", curve.unit, images, series, marks, top, dots=dots, band=(1, 2))


def script_data(evaluation: Evaluation, charts: Mapping[str, Sequence[Chart]]) -> dict[str, Any]:
    """What the page's script works with. Classes are a list: one may have the name of a property of all objects."""
    names = [name for name in ("", *evaluation.classes) if name in evaluation.analysis.curves]
    return {
        "width": WIDTH,
        "charts": {chart.name: chart.data for group in charts.values() for chart in group},
        "classes": [_class_data(evaluation, name) for name in names],
    }


def _class_data(evaluation: Evaluation, name: str) -> dict[str, Any]:
    curves, point = evaluation.analysis.curves[name], evaluation.point
    by_threshold = curves.by_threshold
    return {
        "name": name or "all classes",
        "threshold": point.per_class.get(name) if name else point.threshold,
        "by_threshold": [
            _four_decimals(values) for values in (by_threshold.precision, by_threshold.recall, by_threshold.f1)
        ],
        "by_recall": [_four_decimals(curves.precision_at_recall)],
    }


def _four_decimals(values: Sequence[float]) -> list[float]:
    """More than can be read off a curve."""
    return [round(value, 4) for value in values]
