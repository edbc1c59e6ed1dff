"""Images with suspected label errors, each drawn once with its labels and the detections that contradict them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.evaluation.report.drawing import Corners, Drawn, draw_boxes, open_view
from tasks.evaluation.report.suspected_errors import in_words, overlap, part_around
from tasks.records import Box, LabelledImage, SuspectedError

SIDE = 640
"""Longer side of the drawn parts of images, in pixels."""
LABEL_COLOUR, DETECTION_COLOUR = "#4e9af1", "#f28e2b"
"""Blue and orange, which people with a colour vision deficiency tell apart; labels are solid, detections dashed."""


@dataclass(frozen=True)
class SuspectedImage:
    """An image whose labels may be wrong."""

    labelled: LabelledImage
    errors: tuple[SuspectedError, ...]
    """What may be wrong, highest score first."""

    @property
    def words(self) -> list[str]:
        """What may be wrong, a phrase each."""
        return [f"{in_words(error)} (score {error.score:.2f})" for error in self.errors]


def group_by_image(errors: Sequence[SuspectedError], images: Sequence[LabelledImage]) -> list[SuspectedImage]:
    """The images of suspected errors.

    Args:
        errors: Suspected errors, highest score first.
        images: The measured images.

    Returns:
        Each image once, that with the highest score first.
    """
    by_name = defaultdict(list)
    for error in errors:
        by_name[error.file_name].append(error)
    labelled = {image.file_name: image for image in images}
    return [SuspectedImage(labelled[name], tuple(found)) for name, found in by_name.items() if name in labelled]


def draw_suspected_image(image: SuspectedImage, classes: Sequence[str], path: Path) -> bytes:
    """Draw the part of an image that its suspected errors are in.

    Args:
        image: The image.
        classes: Class names by index.
        path: Its file.

    Returns:
        A JPEG.
    """
    corners = [error.box for error in image.errors]
    around: Corners = (
        min(box[0] for box in corners), min(box[1] for box in corners),
        max(box[2] for box in corners), max(box[3] for box in corners),
    )  # fmt: skip
    part = part_around(around, image.labelled)
    boxes = [Drawn(Box(0, *error.box), in_words(error), dashed=True, colour=DETECTION_COLOUR) for error in image.errors]
    boxes += [
        Drawn(box, classes[box.class_index], dashed=False, colour=LABEL_COLOUR)
        for box in image.labelled.boxes
        if overlap(box, part)
    ]
    return draw_boxes(open_view(path, part, SIDE), boxes)
