"""Checks whether the numbers of boxes mean what their format says: corners, sides or centres, in pixels. Pure."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tasks.labeling.annotations import CornerAndSides
from tasks.labeling.findings import FindingCounter

MAX_SHARE = 0.05
"""Maximum share of boxes that do not fit into their images; above it, another reading is tried."""
MIN_FITTING = 0.99
"""Minimum share of boxes that fit into their images for another reading to be the right one."""
MIN_BOXES = 5
"""With fewer boxes any reading may fit by chance."""
TOLERANCE = 1.0
"""Pixels by which a box may reach over the edge."""


class WrittenBox(NamedTuple):
    """The four numbers of a box as its file has them, in pixels of the image, and the image's size."""

    numbers: CornerAndSides
    width: int
    height: int


Corners = tuple[float, float, float, float]
Reading = Callable[[Corners], Corners]


def _sides(box: Corners) -> Corners:
    return box[0], box[1], box[0] + box[2], box[1] + box[3]


def _center(box: Corners) -> Corners:
    return box[0] - box[2] / 2, box[1] - box[3] / 2, box[0] + box[2] / 2, box[1] + box[3] / 2


def _corners(box: Corners) -> Corners:
    return box


READINGS: dict[str, Reading] = {
    "corners x1 y1 x2 y2": _corners,
    "left, top, width and height": _sides,
    "centre, width and height": _center,
}
"""What four numbers may mean, by the words for it."""
READING_OF_FORMAT = {
    "coco": "left, top, width and height",
    "yolo": "centre, width and height",
    "darknet": "centre, width and height",
    "cvat": "corners x1 y1 x2 y2",
    "voc": "corners x1 y1 x2 y2",
    "tensorflow-csv": "corners x1 y1 x2 y2",
    "retinanet-csv": "corners x1 y1 x2 y2",
}

FORMATS_OF_FRACTIONS = ("yolo", "darknet")


def as_written(box: CornerAndSides, label_format: str, sides: tuple[int, int]) -> CornerAndSides:
    """The numbers that a file has for a box, in pixels.

    Args:
        box: Left, top, width and height as read.
        label_format: A key of FORMATS in the registry.
        sides: Width and height of the image.

    Returns:
        The numbers as the format has them.
    """
    x, y, width, height = box
    if label_format in FORMATS_OF_FRACTIONS:
        x, y, width, height = x * sides[0], y * sides[1], width * sides[0], height * sides[1]
        return x + width / 2, y + height / 2, width, height
    return (x, y, width, height) if label_format == "coco" else (x, y, x + width, y + height)


def check_box_meaning(label_format: str, boxes: Sequence[WrittenBox], findings: FindingCounter) -> None:
    """Count boxes that do not fit into their images, where they do when the numbers are read in another way.

    Args:
        label_format: A key of FORMATS in the registry.
        boxes: All boxes of the export.
        findings: Counts the boxes that do not fit.
    """
    finite = [box for box in boxes if all(map(math.isfinite, box.numbers))]
    if len(finite) < MIN_BOXES:
        return
    stated = READING_OF_FORMAT[label_format]
    if label_format not in FORMATS_OF_FRACTIONS and sum(map(_is_fraction, finite)) >= MIN_FITTING * len(finite):
        findings.add(
            "boxes-in-fractions", f"{', '.join(f'{number:g}' for number in finite[0].numbers)}", count=len(finite)
        )
        return
    unfit = [box for box in finite if not _fits(box, READINGS[stated])]
    if len(unfit) <= MAX_SHARE * len(finite):
        return
    for words, reading in READINGS.items():
        if words != stated and _share_fitting(finite, reading) >= MIN_FITTING:
            example = f"they look like {words}, {label_format} has {stated}"
            findings.add("boxes-mean-something-else", example, count=len(unfit))
            return


def _share_fitting(boxes: Sequence[WrittenBox], reading: Reading) -> float:
    return sum(_fits(box, reading) for box in boxes) / len(boxes)


def _is_fraction(box: WrittenBox) -> bool:
    return max(box.numbers) <= 1 and min(box.numbers) >= -1


def _fits(box: WrittenBox, reading: Reading) -> bool:
    """Whether a box has sides, and lies in its image."""
    x1, y1, x2, y2 = reading(box.numbers)
    return x1 < x2 <= box.width + TOLERANCE and y1 < y2 <= box.height + TOLERANCE and min(x1, y1) >= -TOLERANCE
