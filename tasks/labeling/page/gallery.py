"""The images of the page: those that findings name, and a contact sheet, with their boxes drawn."""

import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from tasks.images.pixels import in_8_bits
from tasks.labeling.inspection import Inspection
from tasks.records import LabelledImage

MAX_SHEET_IMAGES = 24
MAX_FLAGGED_IMAGES = 48
MAX_SIDE = 320
"""Pixels of an image on the page."""
COLOURS = ("#2f80d8", "#d1495b", "#1d8a4e", "#b45309", "#7b4fc9", "#008891", "#c2379b", "#6b7d0e")


@dataclass(frozen=True)
class GalleryImage:
    """An image on the page."""

    place: str
    alt: str
    jpeg: bytes
    reasons: Sequence[tuple[str, str]]
    """Code of each finding that names the image, and what it says about it, maybe nothing."""
    classes: Sequence[tuple[str, int, str]]
    """Name of each class in the image, number of its boxes, and their colour."""


def galleries(inspection: Inspection) -> Iterator[tuple[str, str, list[GalleryImage]]]:
    """The galleries of a page: heading, explanation, and images."""
    flagged = list(_flagged_images(inspection).items())[:MAX_FLAGGED_IMAGES]
    if flagged:
        images = [_gallery_image(inspection, image, reasons) for image, reasons in flagged]
        yield "Flagged images", "Images that errors and warnings name, a few of each kind, with the reasons.", images
    sample = _evenly_spaced([image for image in inspection.images if image.boxes], MAX_SHEET_IMAGES)
    if sample:
        images = [_gallery_image(inspection, image) for image in sample]
        yield "Contact sheet", "Images from all over the export, with their boxes as they are trained on.", images


def _flagged_images(inspection: Inspection) -> dict[LabelledImage, list[tuple[str, str]]]:
    """Images that errors and warnings name, with the reasons."""
    images_by_name = {name: image for image in inspection.images for name in _names(image)}
    flagged: dict[LabelledImage, list[tuple[str, str]]] = {}
    for finding in inspection.findings:
        for example in finding.examples if finding.severity != "info" else ():
            images, rest = _parse_example(example, images_by_name)
            for image in images:
                partners = " = ".join(_place(partner) for partner in images if partner is not image)
                flagged.setdefault(image, []).append((finding.code, partners or rest))
    return flagged


def _place(image: LabelledImage) -> str:
    return f"{image.split}/{image.file_name}"


def _names(image: LabelledImage) -> Iterator[str]:
    """Names that findings use for an image: its own, or that of its label file."""
    yield _place(image)
    stem = Path(image.file_name).stem
    for suffix in (".txt", ".xml"):
        yield f"{image.split}/{stem}{suffix}"


def _parse_example(example: str, images_by_name: Mapping[str, LabelledImage]) -> tuple[list[LabelledImage], str]:
    """The images that an example begins with, joined by ``=``, and the text after them."""
    images = []
    while name := next((example[:end] for end in range(len(example), 0, -1) if example[:end] in images_by_name), None):
        images.append(images_by_name[name])
        example = example[len(name) :]
        if not example.startswith(" = "):
            break
        example = example.removeprefix(" = ")
    is_line_number = example[:1] == ":" and example[1:2].isdigit()
    return images, f"line {example[1:]}" if is_line_number else example.removeprefix(": ")


def _evenly_spaced(images: Sequence[LabelledImage], count: int) -> list[LabelledImage]:
    step = max(1.0, len(images) / count)
    return [images[int(position * step)] for position in range(min(count, len(images)))]


def _gallery_image(
    inspection: Inspection, image: LabelledImage, reasons: Sequence[tuple[str, str]] = ()
) -> GalleryImage:
    counts = Counter(box.class_index for box in image.boxes)
    classes = [(inspection.classes[index], count, _colour(index)) for index, count in sorted(counts.items())]
    boxes = ", ".join(f"{count} {name}" for name, count, _ in classes)
    alt = f"{image.file_name} with boxes: {boxes}" if boxes else f"{image.file_name}, without boxes"
    return GalleryImage(_place(image), alt, _draw(inspection.files[image.sha256], image), reasons, classes)


def _colour(class_index: int) -> str:
    return COLOURS[class_index % len(COLOURS)]


def _draw(path: Path, image: LabelledImage) -> bytes:
    """The image as a JPEG of at most MAX_SIDE pixels a side, with its boxes in the colours of their classes."""
    with Image.open(path) as original:
        original.draft("RGB", (MAX_SIDE, MAX_SIDE))
        drawn = in_8_bits(original).convert("RGB")
    drawn.thumbnail((MAX_SIDE, MAX_SIDE))
    draw = ImageDraw.Draw(drawn)
    scale_x, scale_y = drawn.width / image.width, drawn.height / image.height
    for box in image.boxes:
        corners = box.x1 * scale_x, box.y1 * scale_y, max(box.x2 * scale_x - 1, 0), max(box.y2 * scale_y - 1, 0)
        if corners[0] <= corners[2] and corners[1] <= corners[3]:
            draw.rectangle(corners, outline=_colour(box.class_index), width=3)
    file_bytes = io.BytesIO()
    drawn.save(file_bytes, "JPEG", quality=80)
    return file_bytes.getvalue()
