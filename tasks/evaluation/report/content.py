"""What a report page shows, before it is put into words and tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tasks.evaluation.report.images import ReportImage, draw_images
from tasks.evaluation.report.suspected_errors import SuspectedErrorImage, draw_suspected_errors
from tasks.records import (
    Comparison,
    EpochResult,
    Evaluation,
    LabelledImage,
    LearningCurve,
    PromotionDecision,
    TrainingResult,
    TrainingSpec,
)

MAX_IMAGES = 24
"""Maximum number of images on the page."""
MAX_SUSPECTED_ERROR_IMAGES = 24
"""Maximum number of suspected label errors that are drawn."""


@dataclass(frozen=True)
class ReportContent:
    """The content of a report page. Only title and evaluation are always known."""

    title: str
    evaluation: Evaluation
    comparison: Comparison | None = None
    """With the champion."""
    decision: PromotionDecision | None = None
    """Decision of the gate."""
    learning: LearningCurve | None = None
    """What more labels would gain."""
    history: Sequence[EpochResult] = ()
    spec: TrainingSpec | None = None
    result: TrainingResult | None = None
    images: Sequence[ReportImage] = ()
    suspected_errors: Sequence[SuspectedErrorImage] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    """Additional rows of the table of facts, such as the names of the files."""


def with_images(
    content: ReportContent,
    images: Sequence[LabelledImage],
    detections: Sequence[Mapping[str, Any]],
    image_path: Callable[[LabelledImage], Path],
) -> ReportContent:
    """Draw the images and the suspected label errors of a report.

    Args:
        content: The report, with its evaluation.
        images: The measured images; the first has image id 1.
        detections: COCO results; category id = class index + 1.
        image_path: Gives the file of an image; called only for images that are drawn.

    Returns:
        The report with the drawn images.
    """
    evaluation = content.evaluation
    return replace(
        content,
        images=draw_images(images, evaluation.classes, detections, evaluation.point.threshold, image_path, MAX_IMAGES),
        suspected_errors=draw_suspected_errors(
            evaluation.analysis.suspected_errors, images, evaluation.classes, image_path, MAX_SUSPECTED_ERROR_IMAGES
        ),
    )
