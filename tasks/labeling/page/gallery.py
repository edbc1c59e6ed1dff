"""The images of the page: those that findings name, and a contact sheet, with their boxes drawn."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.labeling.inspection import Inspection
from tasks.labeling.page.colours import class_colours
from tasks.labeling.page.drawing import Mark, View, draw, network_input, whole_image
from tasks.records import LabelledImage

MAX_SHEET_IMAGES = 24
MAX_FLAGGED_IMAGES = 48
_BOX = re.compile(r"\[(-?[\d.]+), (-?[\d.]+), (-?[\d.]+), (-?[\d.]+)\]")
"""A box in an example: x, y, width and height in pixels."""
FLAGGED_MEANING = (
    "Images that errors and warnings name, a few of each kind, with the reasons. A white frame marks the box that a "
    "finding is about."
)
SHEET_MEANING = (
    "Images from all over the export as the network sees them, with the boxes that are trained on: scaled to {size} "
    "pixels on the longest side, and padded with grey on the right and below."
)


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


def galleries(inspection: Inspection, size: int) -> Iterator[tuple[str, str, list[GalleryImage]]]:
    """The galleries of a page.

    Args:
        inspection: The inspection.
        size: Side of the network input in pixels.

    Yields:
        Heading, explanation, and images.
    """
    colours = class_colours(inspection)
    flagged = list(_flagged_images(inspection).items())[:MAX_FLAGGED_IMAGES]
    if flagged:
        images = []
        for image, reasons in flagged:
            view = whole_image(inspection.files[image.sha256], image)
            images.append(_gallery_image(inspection, image, view, colours, reasons))
        yield "Flagged images", FLAGGED_MEANING, images
    sample = _evenly_spaced([image for image in inspection.images if image.boxes], MAX_SHEET_IMAGES)
    if sample:
        images = []
        for image in sample:
            view = network_input(inspection.files[image.sha256], image, size)
            images.append(_gallery_image(inspection, image, view, colours))
        yield "Contact sheet", SHEET_MEANING.format(size=size), images


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
    inspection: Inspection,
    image: LabelledImage,
    view: View,
    colours: Mapping[int, str],
    reasons: Sequence[tuple[str, str]] = (),
) -> GalleryImage:
    counts = Counter(box.class_index for box in image.boxes)
    classes = [(inspection.classes[index], count, colours[index]) for index, count in sorted(counts.items())]
    boxes = ", ".join(f"{count} {name}" for name, count, _ in classes)
    alt = f"{image.file_name} with boxes: {boxes}" if boxes else f"{image.file_name}, without boxes"
    jpeg = draw(
        view, image.boxes, inspection.classes, colours, [mark for reason in reasons for mark in _marks(*reason)]
    )
    return GalleryImage(_place(image), alt, jpeg, reasons, classes)


def _marks(code: str, detail: str) -> Iterator[Mark]:
    """The boxes that a reason names."""
    for numbers in _BOX.findall(detail):
        x, y, width, height = map(float, numbers)
        yield Mark(code, (min(x, x + width), min(y, y + height), max(x, x + width), max(y, y + height)))
