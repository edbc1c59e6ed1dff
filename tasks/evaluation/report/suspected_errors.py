"""Suspected label errors: drawn for the page, and as CSV for whoever corrects the labels."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.evaluation.report.drawing import Corners, Drawn, draw_boxes, open_view
from tasks.records import Box, LabelledImage, SuspectedError

SIDE = 480
"""Longer side of the drawn parts of images, in pixels."""
_MARGIN_FACTOR = 3.0
"""Width of the drawn part, in widths of the box."""
_MIN_SHARE = 0.35
"""Minimum width of the drawn part, as a share of the image's longer side, so that small boxes keep some context."""
COLUMNS = ("file_name", "kind", "labelled", "found", "score", "x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class SuspectedErrorImage:
    """A suspected label error, drawn: the detection dashed, the labels around it solid."""

    suspected_error: SuspectedError
    alt: str
    jpeg: bytes


def draw_suspected_errors(
    suspected_errors: Sequence[SuspectedError],
    images: Sequence[LabelledImage],
    classes: Sequence[str],
    image_path: Callable[[LabelledImage], Path],
    limit: int,
) -> list[SuspectedErrorImage]:
    """Draw the first suspected errors, each with its surroundings.

    Args:
        suspected_errors: Suspected errors, highest score first.
        images: Images, among them those of the suspected errors.
        classes: Names by class index.
        image_path: Gives the file of an image; called only for images that are drawn.
        limit: Maximum number of drawings.

    Returns:
        The drawings; suspected errors of other images are left out.
    """
    by_name = {image.file_name: image for image in images}
    return [
        _draw(error, image, classes, image_path(image))
        for error in suspected_errors[:limit]
        if (image := by_name.get(error.file_name))
    ]


def suspected_errors_csv(suspected_errors: Sequence[SuspectedError]) -> str:
    """All suspected errors as CSV with a header line; boxes xyxy in pixels."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for error in suspected_errors:
        names = (_harmless(value) for value in (error.file_name, error.kind, error.labelled or "", error.found))
        writer.writerow([*names, f"{error.score:.3f}", *(f"{value:.1f}" for value in error.box)])
    return text.getvalue()


def in_words(suspected_error: SuspectedError) -> str:
    """What may be wrong, in a phrase."""
    if suspected_error.labelled is None:
        return f"not labelled: {suspected_error.found}?"
    return f"labelled {suspected_error.labelled}: {suspected_error.found}?"


def _harmless(value: str) -> str:
    """Put an apostrophe before a name that a spreadsheet would take for a formula; spreadsheets do not show it."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _draw(
    suspected_error: SuspectedError, image: LabelledImage, classes: Sequence[str], path: Path
) -> SuspectedErrorImage:
    part = part_around(suspected_error.box, image)
    found_index = classes.index(suspected_error.found) if suspected_error.found in classes else 0
    boxes = [Drawn(Box(found_index, *suspected_error.box), f"{suspected_error.found}?", dashed=True)]
    boxes += [Drawn(box, classes[box.class_index], dashed=False) for box in image.boxes if overlap(box, part)]
    return SuspectedErrorImage(
        suspected_error=suspected_error,
        alt=f"Part of {suspected_error.file_name}, {in_words(suspected_error)}",
        jpeg=draw_boxes(open_view(path, part, SIDE), boxes),
    )


def part_around(box: Corners, image: LabelledImage) -> Corners:
    """A square around the box, inside the image; cut if the image is narrower."""
    side = max(_MARGIN_FACTOR * max(box[2] - box[0], box[3] - box[1]), _MIN_SHARE * max(image.width, image.height))
    x1, x2 = _within((box[0] + box[2]) / 2, side, image.width)
    y1, y2 = _within((box[1] + box[3]) / 2, side, image.height)
    return x1, y1, x2, y2


def _within(middle: float, side: float, length: int) -> tuple[float, float]:
    side = min(side, length)
    start = min(max(0.0, middle - side / 2), length - side)
    return start, min(start + side, length)


def overlap(box: Box, part: Corners) -> bool:
    """Whether a box is partly in a part of an image."""
    return box.x1 < part[2] and box.x2 > part[0] and box.y1 < part[3] and box.y2 > part[1]
