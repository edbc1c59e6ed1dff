"""Images of the report page: labels beside detections, by kind of mistake, the worst first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tasks.evaluation.report.drawing import Drawn, draw_boxes, open_view
from tasks.evaluation.report.mistakes import MISTAKES, ComparedImage, Mistake, compare_boxes
from tasks.records import Box, LabelledImage

SIDE = 640
"""Longer side of the drawn images, in pixels."""
_GOOD_SHARE = 4
"""One in so many images is one without mistakes, if there are any."""


@dataclass(frozen=True)
class ReportImage:
    """One image, drawn twice: with its labels and with its detections."""

    file_name: str
    kind: Literal[Mistake, "good"]
    """The mistake that it is shown for."""
    correct: int
    """Number of true positives."""
    mistakes: Mapping[Mistake, int]
    """Number of mistakes of each kind."""
    labels_alt: str
    detections_alt: str
    labels_jpeg: bytes
    detections_jpeg: bytes


def draw_images(
    images: Sequence[LabelledImage],
    classes: Sequence[str],
    detections: Sequence[Mapping[str, Any]],
    threshold: float,
    image_path: Callable[[LabelledImage], Path],
    limit: int,
) -> list[ReportImage]:
    """Draw the worst images of each kind of mistake, then a few without mistakes.

    Args:
        images: Images; the first has image id 1.
        classes: Names by class index.
        detections: COCO results; category id = class index + 1.
        threshold: Confidence threshold in [0, 1]; detections with a lower score are left out.
        image_path: Gives the file of an image; called only for images that are drawn.
        limit: Maximum number of images; each is drawn once.

    Returns:
        The images by kind of mistake, the worst first.
    """
    compared = compare_boxes(images, detections, threshold)
    good = sorted(
        (image for image in compared if image.is_good and image.labelled.boxes),
        key=lambda image: (-len(image.labelled.boxes), image.labelled.file_name),
    )
    bad_count = sum(not image.is_good for image in compared)
    good = good[: max(limit // _GOOD_SHARE, limit - bad_count)]
    bad = _worst_by_kind(compared, limit - len(good))
    return [
        *(_draw_both(image, kind, classes, image_path(image.labelled)) for kind in MISTAKES for image in bad[kind]),
        *(_draw_both(image, "good", classes, image_path(image.labelled)) for image in good),
    ]


def _worst_by_kind(compared: Sequence[ComparedImage], limit: int) -> dict[Mistake, list[ComparedImage]]:
    """Kinds take turns to choose their worst image that is not yet chosen, so that rare kinds are shown, too."""
    ranked = {
        kind: sorted(
            (image for image in compared if image.count(kind)),
            key=lambda image: (*(-cost for cost in image.cost(kind)), image.labelled.file_name),
        )
        for kind in MISTAKES
    }
    chosen: dict[Mistake, list[ComparedImage]] = {kind: [] for kind in MISTAKES}
    chosen_ids: set[int] = set()
    while len(chosen_ids) < limit and any(ranked.values()):
        for kind in MISTAKES:
            free = ranked[kind] = [image for image in ranked[kind] if id(image) not in chosen_ids]
            if free and len(chosen_ids) < limit:
                chosen_ids.add(id(free[0]))
                chosen[kind].append(free[0])
    return chosen


def _draw_both(
    compared: ComparedImage, kind: Literal[Mistake, "good"], classes: Sequence[str], path: Path
) -> ReportImage:
    image = compared.labelled
    view = open_view(path, (0, 0, image.width, image.height), SIDE)
    labels = [
        (box, classes[box.class_index], mistake)
        for box, mistake in zip(image.boxes, compared.label_mistakes, strict=True)
    ]
    detections = [
        (box, f"{classes[box.class_index]} {score:.2f}", mistake)
        for (box, score), mistake in zip(compared.detections, compared.detection_mistakes, strict=True)
    ]
    return ReportImage(
        file_name=image.file_name,
        kind=kind,
        correct=compared.correct,
        mistakes={mistake: compared.count(mistake) for mistake in MISTAKES},
        labels_alt=f"Labels of {image.file_name}: {_in_words(labels)}",
        detections_alt=f"Detections in {image.file_name}: {_in_words(detections)}",
        labels_jpeg=draw_boxes(view, [Drawn(box, tag, mistake is not None) for box, tag, mistake in labels]),
        detections_jpeg=draw_boxes(view, [Drawn(box, tag, mistake is not None) for box, tag, mistake in detections]),
    )


def _in_words(boxes: Sequence[tuple[Box, str, Mistake | None]]) -> str:
    return ", ".join(f"{tag} ({mistake})" if mistake else tag for _, tag, mistake in boxes) or "none"
