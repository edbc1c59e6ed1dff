"""An image of the page with its boxes, as it is or as the network sees it, as JPEG."""

import io
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

from tasks.images.network_input import PAD_VALUE, scaled_size
from tasks.images.orientation import upright
from tasks.images.pixels import in_8_bits
from tasks.labeling.page.colours import OTHERS
from tasks.records import Box, LabelledImage
from tasks.rendering.tags import INK, draw_tag

SIDE = 400
"""Pixels of an image on the page."""
TEXT_HEIGHT = 14
MAX_NAMED_BOXES = 12
"""With more boxes in an image, a class with a colour of its own is named on its largest box only."""
MARK_MARGIN = 6
"""Pixels between a marked box and its frame, so that a box of a few pixels is seen in it."""
MARK_TAG_HEIGHT = TEXT_HEIGHT + 8
"""Pixels that the text at a frame takes, at most."""
MARK = "#ffffff"


Corners = tuple[float, float, float, float]
"""Left, top, right and bottom."""


class View(NamedTuple):
    """An image ready to be drawn on."""

    pixels: Image.Image
    scale_x: float
    """Drawn pixels per pixel of the image."""
    scale_y: float

    def corners(self, corners: Corners) -> Corners:
        """A box of the image on the view, at least one pixel wide and high, inside the view."""
        (width, height), (x1, y1, x2, y2) = self.pixels.size, corners
        left, right = (min(max(0.0, x * self.scale_x), width - 1) for x in (x1, x2))
        top, bottom = (min(max(0.0, y * self.scale_y), height - 1) for y in (y1, y2))
        return left, top, max(left, right - 1), max(top, bottom - 1)


class Mark(NamedTuple):
    """A box that a finding is about: its code, and corners in pixels of the image."""

    code: str
    corners: Corners


def whole_image(path: Path, image: LabelledImage) -> View:
    """The image itself, with SIDE pixels on its longest side."""
    pixels = _read(path, SIDE).resize(scaled_size(image.width, image.height, SIDE), Image.Resampling.BICUBIC)
    return View(pixels, pixels.width / image.width, pixels.height / image.height)


def network_input(path: Path, image: LabelledImage, size: int) -> View:
    """The image as the network sees it: its longest side at the input's size, padded to a square.

    Args:
        path: The image's file.
        image: Its width and height.
        size: Side of the network input in pixels.

    Returns:
        The input at SIDE pixels; pixels of a smaller input are seen as squares.
    """
    width, height = scaled_size(image.width, image.height, size)
    pixels = _read(path, size).resize((width, height), Image.Resampling.BILINEAR)
    padded = Image.new("RGB", (size, size), (PAD_VALUE,) * 3)
    padded.paste(pixels)
    shown = padded.resize((SIDE, SIDE), Image.Resampling.NEAREST if size < SIDE else Image.Resampling.BOX)
    factor = SIDE / size
    return View(shown, factor * width / image.width, factor * height / image.height)


def draw(
    view: View, boxes: Sequence[Box], names: Sequence[str], colours: Mapping[int, str], marks: Sequence[Mark] = ()
) -> bytes:
    """Draw boxes with the names of their classes, and frames around the boxes that findings are about.

    Args:
        view: Changed.
        boxes: In pixels of the image.
        names: Class names by class index.
        colours: Colours by class index.
        marks: The boxes to frame.

    Returns:
        A JPEG.
    """
    canvas, size = ImageDraw.Draw(view.pixels), view.pixels.size
    for box in boxes:
        left, top, right, bottom = view.corners(box[1:])
        # Dark below, so that the line is seen on any ground.
        canvas.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=INK, width=5)
        canvas.rectangle((left, top, right, bottom), outline=colours[box.class_index], width=3)
    named = _named(boxes, colours)
    for position, box in enumerate(boxes):
        if position in named:
            left, top, _, _ = view.corners(box[1:])
            draw_tag(canvas, size, (left, top), names[box.class_index], colours[box.class_index], TEXT_HEIGHT)
    for corners in dict.fromkeys(mark.corners for mark in marks):
        codes = dict.fromkeys(mark.code for mark in marks if mark.corners == corners)
        _draw_mark(canvas, size, view.corners(corners), ", ".join(codes))
    file_bytes = io.BytesIO()
    view.pixels.save(file_bytes, "JPEG", quality=80)
    return file_bytes.getvalue()


def _draw_mark(canvas: ImageDraw.ImageDraw, size: tuple[int, int], corners: Corners, text: str) -> None:
    """Draw a frame with a text below it, or above the name of the class if there is no room."""
    left, top, right, bottom = corners
    for margin, colour, width in ((MARK_MARGIN + 2, INK, 7), (MARK_MARGIN, MARK, 3)):
        canvas.rectangle((left - margin, top - margin, right + margin, bottom + margin), outline=colour, width=width)
    below = bottom + MARK_MARGIN + 3 + MARK_TAG_HEIGHT
    corner = left - MARK_MARGIN, below if below <= size[1] else top - MARK_MARGIN - MARK_TAG_HEIGHT
    draw_tag(canvas, size, corner, text, MARK, TEXT_HEIGHT)


def _named(boxes: Sequence[Box], colours: Mapping[int, str]) -> Collection[int]:
    """Positions of the boxes that get a name."""
    if len(boxes) <= MAX_NAMED_BOXES:
        return range(len(boxes))
    largest = {
        box.class_index: position
        for position, box in sorted(enumerate(boxes), key=lambda pair: _area(pair[1]))  # the largest last
    }
    grey = {position for position, box in enumerate(boxes) if colours[box.class_index] == OTHERS}
    return grey | set(largest.values())


def _area(box: Box) -> float:
    return (box.x2 - box.x1) * (box.y2 - box.y1)


def _read(path: Path, side: int) -> Image.Image:
    with Image.open(path) as original:
        original.draft("RGB", (side, side))
        return in_8_bits(upright(original)).convert("RGB")
