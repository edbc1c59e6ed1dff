"""Boxes drawn on images, as JPEG: lines, dashes and tags that are visible on any background."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw

from tasks.images.orientation import upright
from tasks.images.pixels import in_8_bits
from tasks.records import Box
from tasks.rendering.tags import draw_tag

_DASH = 20
"""Pixels from one dash to the next."""
_TEXT_HEIGHT = 20
_COLOURS = (
    "#4e9af1",
    "#f28e2b",
    "#59c26a",
    "#e8575a",
    "#b07aff",
    "#f2cf3b",
    "#3ec9c4",
    "#ff8fb8",
    "#b58860",
    "#b9c0c7",
)

Corners = tuple[float, float, float, float]


class Drawn(NamedTuple):
    """A box to draw, with its tag; dashed if label and detection do not agree."""

    box: Box
    tag: str
    dashed: bool
    colour: str | None = None
    """None for the colour of the class."""


class View(NamedTuple):
    """A scaled part of an image."""

    pixels: Image.Image
    x: float
    """Left edge, in pixels of the image."""
    y: float
    """Top edge, in pixels of the image."""
    scale: float
    """Drawn pixels per pixel of the image."""

    def corners(self, box: Box) -> Corners:
        """The corners of a box on the view. Pillow refuses rectangles that end before they begin."""
        x1, x2 = ((value - self.x) * self.scale for value in (box.x1, box.x2))
        y1, y2 = ((value - self.y) * self.scale for value in (box.y1, box.y2))
        return x1, y1, max(x1, x2), max(y1, y2)


def open_view(path: Path, part: Corners, side: int) -> View:
    """Read a part of an image and scale it.

    Args:
        path: The image's file.
        part: Corners of the part, xyxy in pixels, inside the image.
        side: Longer side of the view in pixels.

    Returns:
        The view, in RGB.
    """
    x1, y1, x2, y2 = part
    scale = side / max(x2 - x1, y2 - y1)
    size = (max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale)))
    with Image.open(path) as file:
        pixels = in_8_bits(upright(file)).convert("RGB").resize(size, Image.Resampling.BICUBIC, box=part)
    return View(pixels, x1, y1, scale)


def draw_boxes(view: View, boxes: Sequence[Drawn]) -> bytes:
    """Draw boxes, the first ones on top; gives a JPEG."""
    canvas = view.pixels.copy()
    draw = ImageDraw.Draw(canvas)
    # Tags after lines, so that they are on top.
    in_order = [(view.corners(drawn.box), drawn, drawn.colour or _colour(drawn.box)) for drawn in reversed(boxes)]
    # Dark grounds, for any background, come first: in the gaps of dashes a line below stays visible.
    for corners, _, _ in in_order:
        x1, y1, x2, y2 = corners
        draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline="#000000", width=7)
    for corners, drawn, colour in in_order:
        _outline(draw, corners, colour, dashed=drawn.dashed)
    for corners, drawn, colour in in_order:
        draw_tag(draw, canvas.size, corners[:2], drawn.tag, colour, _TEXT_HEIGHT)
    jpeg = io.BytesIO()
    canvas.save(jpeg, "JPEG", quality=80, optimize=True)
    return jpeg.getvalue()


def _colour(box: Box) -> str:
    return _COLOURS[box.class_index % len(_COLOURS)]


def _outline(draw: ImageDraw.ImageDraw, corners: Corners, colour: str, *, dashed: bool) -> None:
    x1, y1, x2, y2 = corners
    if not dashed:
        draw.rectangle((x1, y1, x2, y2), outline=colour, width=5)
        return
    for start in range(round(x1), round(x2) + 1, _DASH):
        end = min(start + _DASH * 0.6, x2)
        draw.line((start, y1 + 2, end, y1 + 2), fill=colour, width=5)
        draw.line((start, y2 - 2, end, y2 - 2), fill=colour, width=5)
    for start in range(round(y1), round(y2) + 1, _DASH):
        end = min(start + _DASH * 0.6, y2)
        draw.line((x1 + 2, start, x1 + 2, end), fill=colour, width=5)
        draw.line((x2 - 2, start, x2 - 2, end), fill=colour, width=5)
