"""The report page of an evaluation: one HTML file that needs nothing else. What is on it is decided here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.evaluation.report import advice, curves, tables
from tasks.evaluation.report.images import MISTAKES, Mistake, ReportImage, compare_images
from tasks.evaluation.report.suspected_errors import (
    SuspectedErrorImage,
    draw_suspected_errors,
    in_words,
    suspected_errors_csv,
)
from tasks.local.files import publish_bytes
from tasks.records import (
    Comparison,
    EpochResult,
    Evaluation,
    LabelledImage,
    LearningCurve,
    PromotionDecision,
    StartWeights,
    TrainedModel,
    TrainingResult,
    TrainingSpec,
)
from tasks.rendering import pages
from tasks.rendering.pages import MISSING

IMAGES = 24
"""Images on the page, at most."""
SUSPECTED_ERRORS = 24
"""Suspected labels that are drawn, at most."""
LARGE_MATRIX = 25
"""With more classes the columns of the confusion matrix have numbers for names."""
LISTED = 200
"""Suspects in the table; the CSV file has all."""
MEANINGS: Mapping[Mistake | str, tuple[str, str]] = {
    "missed": ("Missed", "Labelled, and no detection came near."),
    "invented": ("Invented", "Detections of what is not labelled there, or was found already."),
    "confused": ("Confused", "Detections of another class on a labelled box (IoU 0.50)."),
    "loose": ("Loose", "The right class, but the box fits badly (IoU 0.10 to 0.50)."),
    "good": ("All found", "Every box was found and nothing else was; those with most boxes first."),
}


@dataclass(frozen=True)
class ReportContent:
    """What a report tells. Only title and evaluation are always there."""

    title: str
    evaluation: Evaluation
    comparison: Comparison | None = None
    decision: PromotionDecision | None = None
    learning: LearningCurve | None = None
    """From models that were trained on parts of the labels."""
    history: Sequence[EpochResult] = ()
    spec: TrainingSpec | None = None
    result: TrainingResult | None = None
    images: Sequence[ReportImage] = ()
    """From ``compare_images``, at the evaluation's threshold."""
    suspected_errors: Sequence[SuspectedErrorImage] = ()
    """From ``draw_suspected_errors``."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """More lines of the table of facts, such as the names of the files."""


def page_of(
    path: Path,
    *,
    title: str,
    evaluation: Evaluation,
    images: Sequence[LabelledImage],
    detections: Sequence[Mapping[str, Any]],
    image_path: Callable[[LabelledImage], Path],
    history: Sequence[EpochResult],
    model: TrainedModel,
    comparison: Comparison | None = None,
    decision: PromotionDecision | None = None,
    learning: LearningCurve | None = None,
) -> Path:
    """Draw the images and write the page of a trained model.

    Args:
        path: Where to.
        title: Heading of the page.
        evaluation: The numbers.
        images: What was measured on; the first has image id 1.
        detections: COCO results; category id = class index + 1.
        image_path: Gives an image's file; asked only for those that are drawn.
        history: Results by epoch.
        model: How it was trained.
        comparison: With the champion, if there was one.
        decision: The gate's word, if it has spoken.
        learning: What more labels would bring, if that was studied.
    """
    threshold, suspected_errors = evaluation.point.threshold, evaluation.analysis.suspected_errors
    content = ReportContent(
        title=title,
        evaluation=evaluation,
        comparison=comparison,
        decision=decision,
        learning=learning,
        history=history,
        spec=model.spec,
        result=model.result,
        images=compare_images(images, evaluation.classes, detections, threshold, image_path, IMAGES),
        suspected_errors=draw_suspected_errors(
            suspected_errors, images, evaluation.classes, image_path, SUSPECTED_ERRORS
        ),
    )
    write_report(path, content)
    return path


def write_report(path: Path, content: ReportContent) -> None:
    """Write the page, whole or not at all. It asks for nothing from the network, and runs no script but its own."""
    publish_bytes(path, render(content).encode())


def render(content: ReportContent) -> str:
    """The page as HTML; all names in it are escaped, and the same content gives the same text."""
    evaluation = content.evaluation
    charts = _charts(content)
    return pages.render(
        "tasks.evaluation.report",
        "report.html.j2",
        assets=("report.css", "report.js"),
        content=content,
        evaluation=evaluation,
        scores=evaluation.scores,
        chosen=tables.chosen_on(evaluation.scores.threshold_from),
        verdict=_verdict(content.decision),
        answers=_answers(content),
        figures=tables.figures(evaluation.scores),
        sizes=tables.sizes(evaluation.scores),
        sure=advice.how_sure(evaluation),
        gains=tables.gains(content.comparison) if content.comparison else [],
        point=tables.point_in_words(evaluation.scores, evaluation.point),
        charts=charts,
        curve_classes=[name for name in evaluation.classes if name in evaluation.analysis.curves],
        classes=tables.classes_worst_first(evaluation.scores),
        errors=tables.errors(evaluation.analysis.errors),
        confusions=tables.confusions(evaluation.analysis.confusion, evaluation.classes),
        large_matrix=len(evaluation.classes) > LARGE_MATRIX,
        calibration=tables.calibration_in_words(evaluation.analysis.calibration, evaluation.scores.threshold),
        groups=_groups(content.images),
        suspected_errors=[(one, in_words(one)) for one in evaluation.analysis.suspected_errors[:LISTED]],
        suspected_errors_csv=pages.data_url(
            suspected_errors_csv(evaluation.analysis.suspected_errors).encode(), "text/csv;charset=utf-8"
        ),
        stopping=advice.when_to_stop(content.history, content.result),
        enough=advice.labels_enough(evaluation, content.learning),
        class_gains=tables.class_gains(content.learning) if content.learning else [],
        speed=tables.speed(evaluation.speed) if evaluation.speed else [],
        facts=_facts(content),
        data=_data(evaluation, charts),
    )


# Curves -------------------------------------------------------------------------------------------


def _charts(content: ReportContent) -> dict[str, list[curves.Chart]]:
    """Charts of the sections that have them."""
    evaluation = content.evaluation
    all_classes, learning = evaluation.analysis.curves.get(""), content.learning
    stopping = advice.when_to_stop(content.history, content.result)
    return {
        "threshold": [
            curves.threshold_chart(all_classes.by_threshold, evaluation.point.threshold),
            curves.recall_chart(all_classes),
        ]
        if all_classes
        else [],
        "training": curves.training_charts(content.history, stopping) if content.history else [],
        "labels": [curves.learning_chart(learning.band, learning.points)] if learning and learning.band else [],
    }


def _data(evaluation: Evaluation, charts: Mapping[str, Sequence[curves.Chart]]) -> dict[str, Any]:
    """What the page's script works with. Lists, since a class may be called like something that objects have."""
    names = [name for name in ("", *evaluation.classes) if name in evaluation.analysis.curves]
    return {
        "width": curves.WIDTH,
        "charts": {chart.name: chart.data for group in charts.values() for chart in group},
        "classes": [_class_data(evaluation, name) for name in names],
    }


def _class_data(evaluation: Evaluation, name: str) -> dict[str, Any]:
    drawn, point = evaluation.analysis.curves[name], evaluation.point
    by_threshold = drawn.by_threshold
    return {
        "name": name or "all classes",
        "threshold": point.per_class.get(name) if name else point.threshold,
        "by_threshold": [
            curves.short(values) for values in (by_threshold.precision, by_threshold.recall, by_threshold.f1)
        ],
        "by_recall": [curves.short(drawn.precision_at_recall)],
    }


# Words --------------------------------------------------------------------------------------------


def _verdict(decision: PromotionDecision | None) -> tuple[str, str] | None:
    """Style and word."""
    if decision is None:
        return None
    if decision.overridden is not None:
        return "unsure", "Promoted, whatever the gate says"
    return {
        "promote": ("yes", "Promoted"),
        "keep": ("no", "Not promoted"),
        "cannot tell": ("unsure", "Cannot tell" + (": promoted" if decision.promote else ": not promoted")),
    }[decision.verdict]


def _answers(content: ReportContent) -> list[tuple[str, str, str]]:
    """Question, answer in a sentence or two, and the section that says more."""
    evaluation = content.evaluation
    scores = evaluation.scores
    answers = [
        ("How good is it?", _how_good(content), "scores"),
        ("How sure is that?", _last(advice.how_sure(evaluation)[:2]), "sure"),
        ("Which mistakes?", _worst_mistakes(content), "mistakes"),
        ("Which threshold?", tables.point_in_words(scores, evaluation.point), "threshold"),
    ]
    if content.decision:
        answers.insert(2, ("Better than the one in use?", content.decision.reason, "champion"))
    if stopping := advice.when_to_stop(content.history, content.result):
        answers.append(("When to stop training?", _when(stopping), "training"))
    answers.append(("Are the labels enough?", _enough(content), "enough"))
    return answers


def _how_good(content: ReportContent) -> str:
    scores = content.evaluation.scores
    return (
        f"mAP {scores.map:.3f} and mAP50 {scores.map50:.3f}. At score {scores.threshold:.3f} it finds "
        f"{100 * scores.recall:.0f} of 100 labelled boxes, and {100 * scores.precision:.0f} of 100 detections are "
        "right."
    )


def _last(said: Sequence[advice.Advice]) -> str:
    """Few images weigh more than the interval that they make too narrow."""
    few = said[-1].rule.startswith("Fewer than")
    return " ".join(one.text for one in said) if few else said[0].text


def _worst_mistakes(content: ReportContent) -> str:
    costly = [share for share in content.evaluation.analysis.errors if share.ap50_cost > 0]
    if not costly:
        count = sum(share.count for share in content.evaluation.analysis.errors)
        return f"No kind of mistake alone costs anything of mAP50; there are {count} in all."
    told = [f"{tables.ERRORS[share.kind][0].lower()} ({share.ap50_cost:.3f})" for share in costly[:3]]
    return f"What costs most of mAP50: {', '.join(told)}."


def _when(stopping: Sequence[advice.Advice]) -> str:
    """The kept epoch, and what is gravest: overfitting, else whether more epochs would help."""
    if len(stopping) == 1:
        return stopping[0].text
    best, _, overfitting, more = stopping
    return f"{best.text} {(overfitting if overfitting.epoch is not None else more).text}"


def _enough(content: ReportContent) -> str:
    if content.learning:
        return content.learning.sentence
    return " ".join(one.text for one in advice.labels_enough(content.evaluation)[:-1])


def _groups(images: Sequence[ReportImage]) -> list[tuple[str, str, str, list[tuple[ReportImage, str]]]]:
    """Kind, heading, what it means, and images with what is in them."""
    groups = [
        (kind, *MEANINGS[kind], [(one, _counts(one)) for one in images if one.kind == kind])
        for kind in (*MISTAKES, "good")
    ]
    return [group for group in groups if group[3]]


def _counts(image: ReportImage) -> str:
    wrong = [f"{count} {name}" for name, count in image.mistakes.items() if count]
    return ", ".join([f"{image.correct} correct", *wrong])


def _facts(content: ReportContent) -> list[tuple[str, str]]:
    spec, result = content.spec, content.result
    if not spec and not result:
        return [("Training", f"{MISSING} (unknown here: only detections were given)"), *content.facts.items()]
    missing = f"{MISSING} (the {'result' if spec else 'spec'} of the training was not given)"
    return [
        ("Variant", f"YOLO-NAS {spec.variant.upper()}" if spec else missing),
        ("Epochs", f"{result.epochs_done}, {result.why_ended}; best {result.best_epoch}" if result else missing),
        ("Image size", f"{spec.image_size} px" if spec else missing),
        ("Batch", str(spec.batch_size) if spec else missing),
        ("Augmentation", spec.augmentation if spec else missing),
        ("Seed", str(spec.seed) if spec else missing),
        ("Started from", _start(result.start) if result else missing),
        ("Weights SHA-256", result.weights_sha256 if result else missing),
        ("Training data digest", spec.snapshot_digest if spec else missing),
        ("Training speed", f"{result.images_per_second:.1f} images/s" if result else missing),
        ("Device", result.device if result else missing),
        *content.facts.items(),
    ]


def _start(start: StartWeights | None) -> str:
    if start is None:
        return "random weights"
    return f"{start.source}, SHA-256 {start.sha256[:12]}, licence {start.licence or 'not known'}; {start.loaded}"
