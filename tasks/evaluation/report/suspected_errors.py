"""Labels that may be wrong, to look at and to give back to whoever labels."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.evaluation.report.drawing import Corners, Drawn, draw_boxes, open_view
from tasks.records import Box, LabelledImage, SuspectedError

SIDE = 480
"""Longer side of the drawn parts of images, in pixels."""
_AROUND = 3.0
"""Width of what is shown, in widths of the box."""
_MIN_SHARE = 0.35
"""Of the image's longer side, so that a small box is seen where it lies."""
COLUMNS = ("file_name", "kind", "labelled", "found", "score", "x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class SuspectedErrorImage:
    """A suspected label, drawn: what the model sees dashed, the labels around it in whole lines."""

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
    """Draw the first suspects, each with what is around it.

    Args:
        suspected_errors: The surest first.
        images: Images, among them those of the suspects.
        classes: Names by class index.
        image_path: Where an image's file is.
        limit: At most so many.
    """
    by_name = {image.file_name: image for image in images}
    return [
        _drawn(one, image, classes, image_path(image))
        for one in suspected_errors[:limit]
        if (image := by_name.get(one.file_name))
    ]


def suspected_errors_csv(suspected_errors: Sequence[SuspectedError]) -> str:
    """All suspects as CSV with a line of headings; boxes xyxy in pixels."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in suspected_errors:
        names = (_harmless(value) for value in (one.file_name, one.kind, one.labelled or "", one.found))
        writer.writerow([*names, f"{one.score:.3f}", *(f"{value:.1f}" for value in one.box)])
    return text.getvalue()


def in_words(suspected_error: SuspectedError) -> str:
    """What may be wrong, in a phrase."""
    if suspected_error.labelled is None:
        return f"not labelled: {suspected_error.found}?"
    return f"labelled {suspected_error.labelled}: {suspected_error.found}?"


def _harmless(value: str) -> str:
    """A name that a spreadsheet would take for a formula gets an apostrophe, which spreadsheets do not show."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _drawn(
    suspected_error: SuspectedError, image: LabelledImage, classes: Sequence[str], path: Path
) -> SuspectedErrorImage:
    part = _around(suspected_error.box, image)
    found_index = classes.index(suspected_error.found) if suspected_error.found in classes else 0
    boxes = [Drawn(Box(found_index, *suspected_error.box), f"{suspected_error.found}?", dashed=True)]
    boxes += [Drawn(box, classes[box.class_index], dashed=False) for box in image.boxes if _meet(box, part)]
    return SuspectedErrorImage(
        suspected_error=suspected_error,
        alt=f"Part of {suspected_error.file_name}, {in_words(suspected_error)}",
        jpeg=draw_boxes(open_view(path, part, SIDE), boxes),
    )


def _around(box: Corners, image: LabelledImage) -> Corners:
    """A square around the box, inside the image, cut where the image is narrower."""
    side = max(_AROUND * max(box[2] - box[0], box[3] - box[1]), _MIN_SHARE * max(image.width, image.height))
    x1, x2 = _inside((box[0] + box[2]) / 2, side, image.width)
    y1, y2 = _inside((box[1] + box[3]) / 2, side, image.height)
    return x1, y1, x2, y2


def _inside(middle: float, side: float, length: int) -> tuple[float, float]:
    side = min(side, length)
    start = min(max(0.0, middle - side / 2), length - side)
    return start, min(start + side, length)


def _meet(box: Box, part: Corners) -> bool:
    return box.x1 < part[2] and box.x2 > part[0] and box.y1 < part[3] and box.y2 > part[1]
