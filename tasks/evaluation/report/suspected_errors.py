"""Labels that may be wrong, to look at and to give back to whoever labels."""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.evaluation.report.drawing import Corners, Drawn, draw_boxes, open_view
from tasks.records import Box, LabelledImage, Suspect

SIDE = 480
"""Longer side of the drawn parts of pictures, in pixels."""
_AROUND = 3.0
"""Width of what is shown, in widths of the box."""
_LEAST_SHARE = 0.35
"""Of the picture's longer side, so that a small box is seen where it lies."""
COLUMNS = ("file_name", "kind", "labelled", "found", "score", "x1", "y1", "x2", "y2")


@dataclass(frozen=True)
class SuspectPicture:
    """A suspected label, drawn: what the model sees dashed, the labels around it in whole lines."""

    suspect: Suspect
    alt: str
    jpeg: bytes


def draw_suspects(
    suspects: Sequence[Suspect],
    images: Sequence[LabelledImage],
    classes: Sequence[str],
    picture_path: Callable[[LabelledImage], Path],
    limit: int,
) -> list[SuspectPicture]:
    """Draw the first suspects, each with what is around it.

    Args:
        suspects: The surest first.
        images: Pictures, among them those of the suspects.
        classes: Names by class index.
        picture_path: Where a picture's file is.
        limit: At most so many.
    """
    by_name = {image.file_name: image for image in images}
    return [
        _drawn(one, image, classes, picture_path(image))
        for one in suspects[:limit]
        if (image := by_name.get(one.file_name))
    ]


def suspects_csv(suspects: Sequence[Suspect]) -> str:
    """All suspects as CSV with a line of headings; boxes xyxy in pixels."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in suspects:
        names = (_harmless(value) for value in (one.file_name, one.kind, one.labelled or "", one.found))
        writer.writerow([*names, f"{one.score:.3f}", *(f"{value:.1f}" for value in one.box)])
    return text.getvalue()


def in_words(suspect: Suspect) -> str:
    """What may be wrong, in a phrase."""
    if suspect.labelled is None:
        return f"not labelled: {suspect.found}?"
    return f"labelled {suspect.labelled}: {suspect.found}?"


def _harmless(value: str) -> str:
    """A name that a spreadsheet would take for a formula gets an apostrophe, which spreadsheets do not show."""
    return f"'{value}" if value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def _drawn(suspect: Suspect, image: LabelledImage, classes: Sequence[str], path: Path) -> SuspectPicture:
    part = _around(suspect.box, image)
    found_index = classes.index(suspect.found) if suspect.found in classes else 0
    boxes = [Drawn(Box(found_index, *suspect.box), f"{suspect.found}?", dashed=True)]
    boxes += [Drawn(box, classes[box.class_index], dashed=False) for box in image.boxes if _meet(box, part)]
    return SuspectPicture(
        suspect=suspect,
        alt=f"Part of {suspect.file_name}, {in_words(suspect)}",
        jpeg=draw_boxes(open_view(path, part, SIDE), boxes),
    )


def _around(box: Corners, image: LabelledImage) -> Corners:
    """A square around the box, inside the picture, cut where the picture is narrower."""
    side = max(_AROUND * max(box[2] - box[0], box[3] - box[1]), _LEAST_SHARE * max(image.width, image.height))
    x1, x2 = _inside((box[0] + box[2]) / 2, side, image.width)
    y1, y2 = _inside((box[1] + box[3]) / 2, side, image.height)
    return x1, y1, x2, y2


def _inside(middle: float, side: float, length: int) -> tuple[float, float]:
    side = min(side, length)
    start = min(max(0.0, middle - side / 2), length - side)
    return start, min(start + side, length)


def _meet(box: Box, part: Corners) -> bool:
    return box.x1 < part[2] and box.x2 > part[0] and box.y1 < part[3] and box.y2 > part[1]
