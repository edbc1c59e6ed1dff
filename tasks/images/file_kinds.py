"""Which image files are read."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

READABLE_FORMATS = frozenset({"JPEG", "MPO", "PNG", "BMP", "WEBP", "TIFF", "GIF", "AVIF", "JPEG2000"})
"""Formats that are read in any mode of colour, as Pillow names them."""
FIRST_FRAME_FORMATS = frozenset({"MPO", "GIF", "AVIF"})
"""Formats whose first frame stands for the image. Frames of other formats may be images of their own."""
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".avif", ".jp2", ".j2k", ".heic"}
)
"""Suffixes of file names that look like images, readable or not."""
MAX_PIXELS = 100_000_000


def refusal(image: "Image.Image") -> str | None:
    """Why an image is not read, though it is one; from its header alone.

    Args:
        image: An image that was opened and not decoded.

    Returns:
        The reason in a few words, or None.
    """
    if image.format not in READABLE_FORMATS:
        return f"{image.format} is not read; use JPEG or PNG"
    if image.width * image.height > MAX_PIXELS:
        return f"{image.width}x{image.height} is over {MAX_PIXELS // 10**6} megapixels"
    if (frames := getattr(image, "n_frames", 1)) > 1 and image.format not in FIRST_FRAME_FORMATS:
        return f"{frames} frames; use an image a frame"
    return None
