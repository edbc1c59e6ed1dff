"""The page of a check: what an export holds and what is wrong with it, to look at. What is on it is decided here."""

import io
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from tasks.images.pixels import in_8_bits
from tasks.labeling.inspection import Inspection
from tasks.local.files import publish_bytes
from tasks.records import SPLITS, LabelledImage
from tasks.rendering.pages import render

SHEET = 24
"""Images of the contact sheet."""
FLAGGED = 48
"""Images that findings name, at most."""
SIDE = 320
"""Pixels of an image on the page."""
COLOURS = ("#2f80d8", "#d1495b", "#1d8a4e", "#b45309", "#7b4fc9", "#008891", "#c2379b", "#6b7d0e")
BOX_SIZES = ((0.03, "under 3 %"), (0.1, "3 to 10 %"), (0.3, "10 to 30 %"), (0.6, "30 to 60 %"), (9, "60 % and more"))
IMAGE_SIZES = 5
"""Sizes of images that are listed, the most frequent ones."""
FORMATS = {
    "coco": "COCO JSON", "yolo": "YOLO", "darknet": "Darknet", "voc": "Pascal VOC",
    "tensorflow-csv": "CSV of TensorFlow", "retinanet-csv": "CSV of RetinaNet",
}  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """An image on the page."""

    place: str
    alt: str
    jpeg: bytes
    reasons: Sequence[tuple[str, str]]
    """Codes of findings, and what they say of it, if anything."""
    classes: Sequence[tuple[str, int, str]]
    """Names of its boxes' classes, with how many there are and their colour."""


def write_page(path: Path, inspection: Inspection, name: str) -> None:
    """Write the page, whole or not at all.

    Args:
        path: Where to.
        inspection: What was found; the images' files have to be there still.
        name: Of the export.
    """
    kinds = Counter(finding.severity for finding in inspection.findings)
    text = render(
        "tasks.labeling.page",
        "page.html.j2",
        title=f"Labels: {name}",
        format=FORMATS.get(inspection.format, inspection.format),
        ok=inspection.snapshot is not None,
        verdict=f"{_kinds('Errors', kinds['error'])}, {_kinds('warnings', kinds['warning'])}.",
        classes=inspection.classes,
        total=len(inspection.images),
        splits=inspection.splits,
        held_out=_held_out(inspection),
        findings=inspection.findings,
        class_rows=_classes(inspection),
        box_sizes=_box_sizes(inspection.images),
        image_sizes=_image_sizes(inspection.images),
        galleries=list(_galleries(inspection)),
    )
    publish_bytes(path, text.encode())


def _kinds(what: str, count: int) -> str:
    if not count:
        return f"{'No' if what[0].isupper() else 'no'} {what.lower()}"
    return f"{what} of {count} kind{'' if count == 1 else 's'}"


# Numbers -------------------------------------------------------------------------------------------


def _held_out(inspection: Inspection) -> tuple[int, int] | None:
    """Images of train and valid, if some were held out."""
    if inspection.snapshot is None or all(finding.code != "no-valid-split" for finding in inspection.findings):
        return None
    counts = inspection.snapshot.counts()
    return counts["train"].images, counts["valid"].images


def _classes(inspection: Inspection) -> list[dict[str, object]]:
    boxes = Counter((image.split, box.class_index) for image in inspection.images for box in image.boxes)
    images = Counter(index for image in inspection.images for index in {box.class_index for box in image.boxes})
    totals = [sum(boxes[split, index] for split in SPLITS) for index in range(len(inspection.classes))]
    most = max(totals, default=0) or 1
    return [
        {
            "name": name,
            "by_split": [boxes[split, index] for split in inspection.splits],
            "boxes": totals[index],
            "share": 100 * totals[index] / most,
            "images": images[index],
        }
        for index, name in enumerate(inspection.classes)
    ]


def _box_sizes(images: Sequence[LabelledImage]) -> list[dict[str, object]]:
    sides = [
        math.sqrt((box.x2 - box.x1) * (box.y2 - box.y1) / (image.width * image.height))
        for image in images
        for box in image.boxes
    ]
    boxes = Counter(next(name for limit, name in BOX_SIZES if side < limit) for side in sides)
    return _shares([(name, boxes[name]) for _, name in BOX_SIZES] if sides else [])


def _image_sizes(images: Sequence[LabelledImage]) -> list[dict[str, object]]:
    """The most frequent sizes, and how many images have another one."""
    sizes = Counter(f"{image.width} x {image.height}" for image in images).most_common()
    others = sum(count for _, count in sizes[IMAGE_SIZES:])
    return _shares(sizes[:IMAGE_SIZES] + ([("others", others)] if others else []))


def _shares(counts: Sequence[tuple[str, int]]) -> list[dict[str, object]]:
    total = sum(count for _, count in counts)
    return [{"name": name, "count": count, "share": 100 * count / total} for name, count in counts]


# Images ------------------------------------------------------------------------------------------


def _galleries(inspection: Inspection) -> Iterator[tuple[str, str, list[Shown]]]:
    """Heading, what it means, and images."""
    flagged = list(_flagged(inspection).items())[:FLAGGED]
    if flagged:
        shown = [_shown(inspection, image, reasons) for image, reasons in flagged]
        yield "Flagged images", "Images that errors and warnings name, a few of each kind, with the reasons.", shown
    some = _spread([image for image in inspection.images if image.boxes], SHEET)
    if some:
        shown = [_shown(inspection, image) for image in some]
        yield "Contact sheet", "Images from all over the export, with their boxes as they are trained on.", shown


def _flagged(inspection: Inspection) -> dict[LabelledImage, list[tuple[str, str]]]:
    """Images that findings name, with the reasons."""
    images = {name: image for image in inspection.images for name in _names(image)}
    flagged: dict[LabelledImage, list[tuple[str, str]]] = {}
    for finding in inspection.findings:
        for example in finding.examples if finding.severity != "info" else ():
            named, rest = _named(example, images)
            for image in named:
                others = " = ".join(_place(other) for other in named if other is not image)
                flagged.setdefault(image, []).append((finding.code, others or rest))
    return flagged


def _place(image: LabelledImage) -> str:
    return f"{image.split}/{image.file_name}"


def _names(image: LabelledImage) -> Iterator[str]:
    """What findings call an image: its own name, or its label file's."""
    yield _place(image)
    stem = Path(image.file_name).stem
    for suffix in (".txt", ".xml"):
        yield f"{image.split}/{stem}{suffix}"


def _named(example: str, images: Mapping[str, LabelledImage]) -> tuple[list[LabelledImage], str]:
    """The images that an example begins with, joined by ``=``, and what it goes on to say."""
    named = []
    while start := next((example[:end] for end in range(len(example), 0, -1) if example[:end] in images), None):
        named.append(images[start])
        example = example[len(start) :]
        if not example.startswith(" = "):
            break
        example = example.removeprefix(" = ")
    is_line = example[:1] == ":" and example[1:2].isdigit()
    return named, f"line {example[1:]}" if is_line else example.removeprefix(": ")


def _spread(images: Sequence[LabelledImage], count: int) -> list[LabelledImage]:
    step = max(1.0, len(images) / count)
    return [images[int(position * step)] for position in range(min(count, len(images)))]


def _shown(inspection: Inspection, image: LabelledImage, reasons: Sequence[tuple[str, str]] = ()) -> Shown:
    counts = Counter(box.class_index for box in image.boxes)
    classes = [(inspection.classes[index], count, _colour(index)) for index, count in sorted(counts.items())]
    boxes = ", ".join(f"{count} {name}" for name, count, _ in classes)
    alt = f"{image.file_name} with boxes: {boxes}" if boxes else f"{image.file_name}, without boxes"
    return Shown(_place(image), alt, _drawn(inspection.files[image.sha256], image), reasons, classes)


def _colour(class_index: int) -> str:
    return COLOURS[class_index % len(COLOURS)]


def _drawn(path: Path, image: LabelledImage) -> bytes:
    """The image at most SIDE wide and high, with its boxes, a colour a class."""
    with Image.open(path) as opened:
        opened.draft("RGB", (SIDE, SIDE))
        drawn = in_8_bits(opened).convert("RGB")
    drawn.thumbnail((SIDE, SIDE))
    draw = ImageDraw.Draw(drawn)
    across, down = drawn.width / image.width, drawn.height / image.height
    for box in image.boxes:
        corners = box.x1 * across, box.y1 * down, max(box.x2 * across - 1, 0), max(box.y2 * down - 1, 0)
        if corners[0] <= corners[2] and corners[1] <= corners[3]:
            draw.rectangle(corners, outline=_colour(box.class_index), width=3)
    file_bytes = io.BytesIO()
    drawn.save(file_bytes, "JPEG", quality=80)
    return file_bytes.getvalue()
