"""The page of a check: what an export holds and what is wrong with it, to look at. What is on it is decided here."""

import io
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from tasks.dataset_folder import publish_bytes
from tasks.labeling.check import Inspection
from tasks.pages import render
from tasks.records import SPLITS, Finding, LabelledImage

SHEET = 24
"""Pictures of the contact sheet."""
FLAGGED = 48
"""Pictures that findings name, at most."""
SIDE = 320
"""Pixels of a picture on the page."""
COLOURS = ("#2f80d8", "#d1495b", "#1d8a4e", "#b45309", "#7b4fc9", "#008891", "#c2379b", "#6b7d0e")
BOX_SIZES = ((0.03, "boxes under 3 %"), (0.1, "3 to 10 %"), (0.3, "10 to 30 %"), (0.6, "30 to 60 %"), (9, "over 60 %"))


@dataclass(frozen=True)
class Shown:
    """A picture on the page; without ``jpeg`` it cannot be shown."""

    caption: str
    alt: str
    jpeg: bytes | None


def write_page(path: Path, inspection: Inspection, name: str) -> None:
    """Write the page, whole or not at all.

    Args:
        path: Where to.
        inspection: What was found; the pictures' files have to be there still.
        name: Of the export.
    """
    errors = [finding for finding in inspection.findings if finding.severity == "error"]
    warnings = [finding for finding in inspection.findings if finding.severity == "warning"]
    text = render(
        "tasks.labeling",
        "page.html.j2",
        title=f"Labels: {name}",
        format=inspection.format,
        ok=inspection.snapshot is not None,
        verdict=f"{len(errors)} kinds of errors, {len(warnings)} of warnings",
        classes=inspection.classes,
        total=len(inspection.images),
        splits=inspection.splits,
        findings=inspection.findings,
        class_rows=_classes(inspection),
        sizes=_sizes(inspection.images),
        galleries=list(_galleries(inspection)),
    )
    publish_bytes(path, text.encode())


# Numbers -------------------------------------------------------------------------------------------


def _classes(inspection: Inspection) -> list[dict[str, object]]:
    boxes = Counter((image.split, box.class_index) for image in inspection.images for box in image.boxes)
    pictures = Counter(index for image in inspection.images for index in {box.class_index for box in image.boxes})
    totals = [sum(boxes[split, index] for split in SPLITS) for index in range(len(inspection.classes))]
    most = max(totals, default=0) or 1
    return [
        {
            "name": name,
            "by_split": [boxes[split, index] for split in inspection.splits],
            "boxes": totals[index],
            "share": 100 * totals[index] / most,
            "pictures": pictures[index],
        }
        for index, name in enumerate(inspection.classes)
    ]


def _sizes(images: Sequence[LabelledImage]) -> list[dict[str, object]]:
    """Boxes by size, then the most frequent sizes of pictures."""
    sides = [
        math.sqrt((box.x2 - box.x1) * (box.y2 - box.y1) / (image.width * image.height))
        for image in images
        for box in image.boxes
    ]
    boxes = Counter(next(name for limit, name in BOX_SIZES if side < limit) for side in sides)
    pictures = Counter(f"pictures of {image.width} x {image.height}" for image in images)
    return [
        *(
            {"name": name, "count": boxes[name], "share": 100 * boxes[name] / len(sides)}
            for _, name in BOX_SIZES
            if sides
        ),
        *(
            {"name": name, "count": count, "share": 100 * count / len(images)}
            for name, count in pictures.most_common(5)
        ),
    ]


# Pictures ------------------------------------------------------------------------------------------


def _galleries(inspection: Inspection) -> Iterator[tuple[str, str, list[Shown]]]:
    """Heading, what it means, and pictures."""
    flagged = list(_flagged(inspection))[:FLAGGED]
    if flagged:
        yield "Flagged pictures", "Pictures that findings name, with the reason; a few of each kind.", flagged
    some = _spread([image for image in inspection.images if image.boxes], SHEET)
    if some:
        shown = [_shown(inspection, image, f"{image.split}/{image.file_name}") for image in some]
        yield "Contact sheet", "Pictures from all over the export, with their boxes as they are trained on.", shown


def _flagged(inspection: Inspection) -> Iterator[Shown]:
    images = {f"{image.split}/{image.file_name}": image for image in inspection.images}
    for finding in inspection.findings:
        if finding.severity == "info":
            continue
        for example in finding.examples:
            place = _place(example, images)
            if place is not None:
                yield _shown(inspection, images[place], _reason(finding, example))


def _place(example: str, images: dict[str, LabelledImage]) -> str | None:
    """The picture that an example begins with."""
    starts = (example[:end] for end in range(len(example), 0, -1))
    return next((start for start in starts if start in images), None)


def _reason(finding: Finding, example: str) -> str:
    return f"{finding.code}: {example}"


def _spread(images: Sequence[LabelledImage], count: int) -> list[LabelledImage]:
    step = max(1.0, len(images) / count)
    return [images[int(position * step)] for position in range(min(count, len(images)))]


def _shown(inspection: Inspection, image: LabelledImage, caption: str) -> Shown:
    names = [inspection.classes[box.class_index] for box in image.boxes]
    alt = f"{image.file_name} with boxes: {', '.join(names)}" if names else f"{image.file_name}, without boxes"
    return Shown(caption, alt, _drawn(inspection.files[image.sha256], image))


def _drawn(path: Path, image: LabelledImage) -> bytes:
    """The picture at most SIDE wide and high, with its boxes, a colour a class."""
    with Image.open(path) as file:
        file.draft("RGB", (SIDE, SIDE))
        picture = file.convert("RGB")
    picture.thumbnail((SIDE, SIDE))
    draw = ImageDraw.Draw(picture)
    across, down = picture.width / image.width, picture.height / image.height
    for box in image.boxes:
        corners = box.x1 * across, box.y1 * down, max(box.x2 * across - 1, 0), max(box.y2 * down - 1, 0)
        if corners[0] <= corners[2] and corners[1] <= corners[3]:
            draw.rectangle(corners, outline=COLOURS[box.class_index % len(COLOURS)], width=2)
    file_bytes = io.BytesIO()
    picture.save(file_bytes, "JPEG", quality=80)
    return file_bytes.getvalue()
