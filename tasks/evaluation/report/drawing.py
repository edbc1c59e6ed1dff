"""Boxes on images as JPEG: lines, dashes and tags that are read on any ground."""

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

from tasks.images.pixels import in_8_bits
from tasks.records import Box

_DASH = 20
"""Pixels from one dash to the next."""
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
    """A box to draw, with its tag; dashed where truth and detection do not agree."""

    box: Box
    label: str
    dashed: bool


class View(NamedTuple):
    """A part of an image, scaled: its pixels, where it begins in the image, and drawn pixels per pixel."""

    pixels: Image.Image
    x: float
    y: float
    scale: float

    def corners(self, box: Box) -> Corners:
        """The box on the view. Pillow refuses rectangles that end before they begin."""
        x1, x2 = ((value - self.x) * self.scale for value in (box.x1, box.x2))
        y1, y2 = ((value - self.y) * self.scale for value in (box.y1, box.y2))
        return x1, y1, max(x1, x2), max(y1, y2)


def open_view(path: Path, part: Corners, side: int) -> View:
    """Read a part of an image.

    Args:
        path: The image's file.
        part: Corners of the part, xyxy in pixels, inside the image.
        side: Longer side of the view in pixels.
    """
    x1, y1, x2, y2 = part
    scale = side / max(x2 - x1, y2 - y1)
    size = (max(1, round((x2 - x1) * scale)), max(1, round((y2 - y1) * scale)))
    with Image.open(path) as file:
        # Not turned as the camera's tag says: labels count in the pixels as stored.
        pixels = in_8_bits(file).convert("RGB").resize(size, Image.Resampling.BICUBIC, box=part)
    return View(pixels, x1, y1, scale)


def draw_boxes(view: View, boxes: Sequence[Drawn]) -> bytes:
    """A JPEG with boxes, the first ones on top."""
    canvas = view.pixels.copy()
    draw = ImageDraw.Draw(canvas)
    # Labels after lines, so that they lie on top.
    shown = [(view.corners(one.box), one, _colour(one.box)) for one in reversed(boxes)]
    for corners, one, colour in shown:
        _outline(draw, corners, colour, dashed=one.dashed)
    for corners, one, colour in shown:
        _tag(draw, canvas.size, corners, one.label, colour)
    written = io.BytesIO()
    canvas.save(written, "JPEG", quality=80, optimize=True)
    return written.getvalue()


def _colour(box: Box) -> str:
    return _COLOURS[box.class_index % len(_COLOURS)]


def _outline(draw: ImageDraw.ImageDraw, corners: Corners, colour: str, *, dashed: bool) -> None:
    x1, y1, x2, y2 = corners
    # Dark below, so that lines and the gaps between dashes are seen on any ground.
    draw.rectangle((x1 - 1, y1 - 1, x2 + 1, y2 + 1), outline="#000000", width=7)
    if not dashed:
        draw.rectangle((x1, y1, x2, y2), outline=colour, width=5)
        return
    for at in range(round(x1), round(x2) + 1, _DASH):
        end = min(at + _DASH * 0.6, x2)
        draw.line((at, y1 + 2, end, y1 + 2), fill=colour, width=5)
        draw.line((at, y2 - 2, end, y2 - 2), fill=colour, width=5)
    for at in range(round(y1), round(y2) + 1, _DASH):
        end = min(at + _DASH * 0.6, y2)
        draw.line((x1 + 2, at, x1 + 2, end), fill=colour, width=5)
        draw.line((x2 - 2, at, x2 - 2, end), fill=colour, width=5)


def _tag(draw: ImageDraw.ImageDraw, size: tuple[int, int], corners: Corners, text: str, colour: str) -> None:
    """The label above the box, or inside it where there is no room; always inside the image."""
    font = _font()
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    width, height = right - left + 8, bottom - top + 6
    x = min(max(0.0, corners[0] - 1), max(0.0, size[0] - width))
    y = corners[1] - height if corners[1] >= height else min(max(0.0, corners[1]), size[1] - height)
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    draw.text((x + 4 - left, y + 3 - top), text, fill="#101418", font=font)


@cache
def _font() -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: it knows more scripts than Pillow's own."""
    import matplotlib as mpl

    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf")), 20)
