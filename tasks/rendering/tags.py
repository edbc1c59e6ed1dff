"""Tags on drawn boxes: a text on a ground of the box's colour, always inside the image."""

from functools import cache
from pathlib import Path

from PIL import ImageDraw, ImageFont

INK = "#101418"
"""Of texts on coloured grounds."""
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"


def draw_tag(
    draw: ImageDraw.ImageDraw, size: tuple[int, int], corner: tuple[float, float], text: str, colour: str, height: int
) -> None:
    """Draw a tag above a box, or inside it if there is no room.

    Args:
        draw: The image's drawing surface.
        size: Width and height of the image in pixels.
        corner: Left and top of the box in pixels.
        text: The text; cut if it is wider than the image.
        colour: Of the ground.
        height: Of the letters in pixels, as fonts count it.
    """
    font = _font(height)
    text = _cut(text, font, size[0] - 8)
    left, top, right, bottom = draw.textbbox((0, 0), text, font=font)
    tag_width, tag_height = right - left + 8, bottom - top + 6
    x = min(max(0.0, corner[0] - 1), max(0.0, size[0] - tag_width))
    y = corner[1] - tag_height if corner[1] >= tag_height else min(max(0.0, corner[1]), size[1] - tag_height)
    draw.rectangle((x, y, x + tag_width, y + tag_height), fill=colour)
    draw.text((x + 4 - left, y + 3 - top), text, fill=INK, font=font)


def _cut(text: str, font: ImageFont.FreeTypeFont, width: float) -> str:
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + _ELLIPSIS) > width:
        text = text[:-1]
    return text + _ELLIPSIS


@cache
def _font(height: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which comes with matplotlib: it has more scripts than Pillow's own font."""
    import matplotlib as mpl

    return ImageFont.truetype(str(Path(mpl.get_data_path(), "fonts", "ttf", "DejaVuSans-Bold.ttf")), height)
