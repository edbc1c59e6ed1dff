"""The report page of an evaluation: one self-contained HTML file. The variables of its template are made here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.evaluation.report import charts, gain_tables, mistake_tables, tables
from tasks.evaluation.report.advice.certainty import how_sure
from tasks.evaluation.report.advice.labels import labels_enough
from tasks.evaluation.report.advice.stopping import when_to_stop
from tasks.evaluation.report.answers import answers, baseline, verdict
from tasks.evaluation.report.content import ReportContent
from tasks.evaluation.report.facts import facts
from tasks.evaluation.report.images import ReportImage
from tasks.evaluation.report.mistakes import MISTAKES, Mistake
from tasks.evaluation.report.suspected_errors import in_words, suspected_errors_csv
from tasks.local.files import publish_bytes
from tasks.rendering import pages
from tasks.rendering.chart import Chart

MAX_NAMED_COLUMNS = 25
"""With more classes the columns of the confusion matrix have numbers instead of names, and it is closed."""
MAX_LISTED_SUSPECTED_ERRORS = 200
"""Suspected label errors in the table; the CSV file has all of them."""
GROUPS: Mapping[Mistake | str, tuple[str, str]] = {
    "false negative": ("False negatives (missed)", "Labelled, and no detection came near."),
    "false positive": ("False positives (invented)", "Detections of what is not labelled there, or was found already."),
    "wrong class": ("Wrong class", "Detections of another class on a labelled box (IoU 0.50)."),
    "loose box": ("Loose box", "The right class, but the box fits badly (IoU 0.10 to 0.50)."),
    "good": ("All found", "Every box was found and nothing else was; those with most boxes first."),
}
"""Heading and meaning of each group of images."""
PLURALS: Mapping[Mistake, str] = {
    "false negative": "false negatives",
    "false positive": "false positives",
    "wrong class": "wrong classes",
    "loose box": "loose boxes",
}


def write_report(path: Path, content: ReportContent) -> None:
    """Write the page, whole or not at all. It loads nothing from the network, and runs no script but its own."""
    publish_bytes(path, render(content).encode())


def render(content: ReportContent) -> str:
    """The page as HTML; all names in it are escaped, and the same content gives the same text."""
    return pages.render(
        "tasks.evaluation.report",
        "report.html.j2",
        assets=(*pages.CHARTS_AND_TABLES, "report.css", "report.js"),
        content=content,
        evaluation=content.evaluation,
        scores=content.evaluation.scores,
        verdict=verdict(content.decision),
        answers=answers(content),
        sure=how_sure(content.evaluation),
        stopping=when_to_stop(content.history, content.result),
        enough=labels_enough(content.evaluation, content.learning),
        gains=gain_tables.gains(content.comparison) if content.comparison else [],
        baseline=baseline(content),
        class_gains=gain_tables.class_gains(content.learning) if content.learning else [],
        groups=_groups(content.images),
        facts=facts(content),
        **_score_variables(content),
        **_mistake_variables(content),
        **_chart_variables(content),
    )


def _score_variables(content: ReportContent) -> dict[str, Any]:
    evaluation = content.evaluation
    return {
        "chosen": tables.chosen_on(evaluation.scores.threshold_from),
        "figures": tables.figures(evaluation.scores),
        "sizes": tables.sizes(evaluation.scores),
        "point": tables.point_in_words(evaluation.scores, evaluation.point),
        "classes": tables.classes_worst_first(evaluation.scores),
        "speed": tables.speed(evaluation.speed) if evaluation.speed else [],
    }


def _mistake_variables(content: ReportContent) -> dict[str, Any]:
    evaluation = content.evaluation
    analysis = evaluation.analysis
    csv = suspected_errors_csv(analysis.suspected_errors)
    return {
        "errors": mistake_tables.errors(analysis.errors),
        "confusions": mistake_tables.confusions(analysis.confusion, evaluation.classes),
        "large_matrix": len(evaluation.classes) > MAX_NAMED_COLUMNS,
        "calibration": mistake_tables.calibration_in_words(analysis.calibration, evaluation.scores.threshold),
        "suspected_errors": [
            (error, in_words(error)) for error in analysis.suspected_errors[:MAX_LISTED_SUSPECTED_ERRORS]
        ],
        "suspected_errors_csv": pages.data_url(csv.encode(), "text/csv;charset=utf-8"),
    }


def _chart_variables(content: ReportContent) -> dict[str, Any]:
    evaluation = content.evaluation
    by_section = _charts(content)
    return {
        "charts": by_section,
        "curve_classes": [name for name in evaluation.classes if name in evaluation.analysis.curves],
        "data": charts.script_data(evaluation, by_section),
    }


def _charts(content: ReportContent) -> dict[str, list[Chart]]:
    """Charts by section; an empty list where there are none."""
    evaluation = content.evaluation
    all_classes, learning = evaluation.analysis.curves.get(""), content.learning
    by_section: dict[str, list[Chart]] = {"threshold": [], "training": [], "labels": []}
    if all_classes:
        by_section["threshold"] = [
            charts.threshold_chart(all_classes.by_threshold, evaluation.point.threshold),
            charts.recall_chart(all_classes),
        ]
    if content.history:
        stopping = when_to_stop(content.history, content.result)
        by_section["training"] = charts.training_charts(content.history, stopping)
    if learning and learning.band:
        by_section["labels"] = [charts.learning_chart(learning, learning.band)]
    return by_section


def _groups(images: Sequence[ReportImage]) -> list[tuple[str, str, str, list[tuple[ReportImage, str]]]]:
    """Id, heading, meaning, and the images with their counts in words, of each group that has images."""
    groups = []
    for kind in (*MISTAKES, "good"):
        of_kind = [(image, _counts(image)) for image in images if image.kind == kind]
        if of_kind:
            groups.append((kind.replace(" ", "-"), *GROUPS[kind], of_kind))
    return groups


def _counts(image: ReportImage) -> str:
    mistakes = [
        f"{count} {mistake if count == 1 else PLURALS[mistake]}" for mistake, count in image.mistakes.items() if count
    ]
    return ", ".join([f"{image.correct} correct", *mistakes])
