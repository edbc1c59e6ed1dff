"""The report page of an evaluation: one HTML file that needs nothing else. What is on it is decided here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks import pages
from tasks.dataset_folder import publish_bytes
from tasks.evaluation.curves import draw_curves
from tasks.evaluation.pictures import ReportPicture
from tasks.pages import MISSING, number
from tasks.records import (
    ClassScore,
    EpochResult,
    PromotionDecision,
    Scores,
    SplitCounts,
    StartWeights,
    TrainingResult,
    TrainingSpec,
)


@dataclass(frozen=True)
class ReportContent:
    """What a report tells. Only title, measured_on, counts and scores are always there."""

    title: str
    measured_on: str
    """What was measured, to follow "Measured on": ``the test split``."""
    counts: SplitCounts
    scores: Scores
    decision: PromotionDecision | None = None
    history: Sequence[EpochResult] = ()
    spec: TrainingSpec | None = None
    result: TrainingResult | None = None
    pictures: Sequence[ReportPicture] = ()
    """From ``compare_pictures``, at ``scores.threshold``."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """More lines of the table of facts, such as the names of the files."""


@dataclass(frozen=True)
class Figure:
    """One of the headline numbers, with what has to be said beside it."""

    name: str
    value: str
    note: str


def write_report(path: Path, content: ReportContent) -> None:
    """Write the page, whole or not at all. It asks for nothing from the network and runs no script."""
    publish_bytes(path, render(content).encode())


def render(content: ReportContent) -> str:
    """The page as HTML; all names in it are escaped, and the same content gives the same text."""
    return pages.render(
        "tasks.evaluation",
        "report.html.j2",
        content=content,
        figures=_figures(content.scores),
        curves=draw_curves(content.history, _best_epoch(content)) if content.history else [],
        classes=_classes_worst_first(content.scores),
        groups=_groups(content.pictures),
        facts=_facts(content),
    )


def _figures(scores: Scores) -> list[Figure]:
    at = f"at score ≥ {scores.threshold:.3f}"
    return [
        Figure("mAP", number(scores.map), _interval(scores, "map") or "IoU 0.50:0.95"),
        Figure("mAP50", number(scores.map50), _interval(scores, "map50") or "IoU 0.50"),
        Figure("mAP75", number(scores.map75), "IoU 0.75"),
        Figure("Precision", number(scores.precision), at),
        Figure("Recall", number(scores.recall), at),
    ]


def _interval(scores: Scores, name: str) -> str:
    if name not in scores.ci95:
        return ""
    low, high = scores.ci95[name]
    return f"95 %: {low:.3f} to {high:.3f}"


def _best_epoch(content: ReportContent) -> int:
    if content.result:
        return content.result.best_epoch
    return max(content.history, key=lambda one: one.map).epoch


def _classes_worst_first(scores: Scores) -> list[tuple[str, ClassScore]]:
    """By AP, and those that cannot be measured last."""
    return sorted(scores.per_class.items(), key=lambda one: (one[1].ap is None, one[1].ap or 0.0, one[0]))


def _groups(pictures: Sequence[ReportPicture]) -> list[tuple[str, str, list[ReportPicture]]]:
    """Heading, what it means, and pictures."""
    errors = [picture for picture in pictures if picture.kind == "errors"]
    good = [picture for picture in pictures if picture.kind == "good"]
    groups = [
        ("Most errors", "Pictures with the most missed and false boxes, the worst first.", errors),
        ("All found", "Pictures where every box was found and nothing else was, those with most boxes first.", good),
    ]
    return [group for group in groups if group[2]]


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
