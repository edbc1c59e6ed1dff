"""Images that a camera stored turned or mirrored, and says so in their EXIF data.

All readers of nasflow turn such an image once, as browsers and label tools do. Upright is what they show.
"""

from PIL import Image

EXIF_ORIENTATION = 0x0112
AS_STORED = 1
_FIRST_SIDEWAYS = 5
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
_MIRRORED = frozenset({2, 3, 6, 7})
"""Orientations that are mirrored from left to right, after the sides were swapped for those that lie sideways."""
_FLIPPED = frozenset({3, 4, 7, 8})
"""The same from top to bottom."""


def orientation_of(image: Image.Image) -> int:
    """Orientation that the EXIF data of an image state. Like browsers and OpenCV, it does not look into XMP data.

    Args:
        image: An image that was opened. A TIFF must not be decoded yet. A PNG is decoded, since its EXIF data may be
            behind its pixels.

    Returns:
        1 for upright as stored, or 2 to 8; EXIF data that cannot be read count as 1.
    """
    if image.format == "PNG":
        image.load()
    try:
        exif = image.getexif() if image.format == "TIFF" else Image.Exif()
        if image.format != "TIFF":
            exif.load(image.info.get("exif", b""))
        value = exif.get(EXIF_ORIENTATION, AS_STORED)
    except Exception:  # noqa: BLE001 - damaged EXIF data raise errors of many types, and the pixels may be whole
        return AS_STORED
    return value if value in range(AS_STORED, 9) else AS_STORED


def is_sideways(orientation: int) -> bool:
    """Whether width and height of the upright image are those of the stored one, swapped."""
    return orientation >= _FIRST_SIDEWAYS


def upright_sides(image: Image.Image) -> tuple[int, int]:
    """Width and height in pixels of the upright image.

    Args:
        image: An image that was opened and not decoded.
    """
    if not _turns_itself(image) and is_sideways(orientation_of(image)):
        return image.height, image.width
    return image.size


def upright(image: Image.Image) -> Image.Image:
    """The upright image.

    Args:
        image: An image, decoded or not.
    """
    if _turns_itself(image) or (orientation := orientation_of(image)) == AS_STORED:
        return image
    return image.transpose(_TURNS[orientation])


def _turns_itself(image: Image.Image) -> bool:
    """Whether Pillow turns it when it decodes, and states the turned size from the beginning."""
    return image.format == "TIFF"


def upright_box(
    box: tuple[float, float, float, float], width: float, height: float, orientation: int
) -> tuple[float, float, float, float]:
    """A box of the stored image on the upright one.

    Args:
        box: Left, top, width and height on the stored image.
        width: Width of the stored image, in the unit of the box.
        height: Height of the stored image, likewise.
        orientation: 1 to 8, as EXIF has it.

    Returns:
        Left, top, width and height on the upright image.
    """
    x, y, box_width, box_height = box
    if is_sideways(orientation):
        x, y, box_width, box_height, width, height = y, x, box_height, box_width, height, width
    if orientation in _MIRRORED:
        x = width - x - box_width
    if orientation in _FLIPPED:
        y = height - y - box_height
    return x, y, box_width, box_height
