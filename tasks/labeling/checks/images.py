"""Image files: digest, and one full decode that says whether a file is whole and how big its image is."""

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from tasks.images.pixels import in_8_bits

FORMATS = frozenset({"JPEG", "MPO", "PNG", "BMP", "WEBP", "TIFF"})
"""What Pillow and the trainer's OpenCV both read, to the same size. Grey, palette, RGBA, CMYK and 16 bit are fine."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".avif", ".heic"})
"""File names that look like images, readable or not."""
FORMAT_OF_SUFFIX = {
    ".jpg": ("JPEG", "MPO"), ".jpeg": ("JPEG", "MPO"), ".png": ("PNG",), ".bmp": ("BMP",), ".webp": ("WEBP",),
    ".tif": ("TIFF",), ".tiff": ("TIFF",),
}  # fmt: skip
UNUSUAL_MODES = frozenset({"RGBA", "LA", "PA", "CMYK", "I;16", "I;16B", "I;16L", "I", "F", "YCbCr", "LAB"})
MAX_PIXELS = 100_000_000
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class DecodedImage:
    """A file that decodes whole. Width and height are of the pixels as stored, before any EXIF rotation."""

    path: Path
    sha256: str
    size: int
    width: int
    height: int
    rotated: bool
    format: str
    """As Pillow names it."""
    mode: str
    """As Pillow names it."""
    look: int
    """64 bits that are alike for images that look alike (difference hash); 0 for those without any structure."""


@dataclass(frozen=True)
class UnreadableImage:
    """A file that does not, and why."""

    path: Path
    reason: str


def read_image(path: Path) -> DecodedImage | UnreadableImage:
    """Read and decode one file whole; half a JPEG opens and even verifies, so only decoding tells."""
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            if image.format not in FORMATS:
                return UnreadableImage(path, f"{image.format} is not read in training; use JPEG or PNG")
            if image.width * image.height > MAX_PIXELS:
                return UnreadableImage(path, f"{image.width}x{image.height} is over {MAX_PIXELS // 10**6} megapixels")
            if (frames := getattr(image, "n_frames", 1)) > 1 and image.format != "MPO":
                return UnreadableImage(path, f"{frames} frames; use an image a frame")
            # Before load(), which may replace what the header said.
            rotated = image.getexif().get(_EXIF_ORIENTATION, 1) not in (0, 1)
            (width, height), mode = _decode(image)
            kind, look = str(image.format), difference_hash(image)
    except Exception as error:  # noqa: BLE001 - damaged files raise what the decoder of the day raises
        return UnreadableImage(path, _reason(error))
    return DecodedImage(path, hashlib.sha256(data).hexdigest(), len(data), width, height, rotated, kind, mode, look)


def _decode(image: Image.Image) -> tuple[tuple[int, int], str]:
    """Decode an image whole, to what its look needs, and give its stored size and mode.

    Of a JPEG every code is read, so damage is found as ever, but only grey blocks are made of them, up to 8 x 8 pixels
    as one: a third of the time.
    """
    size, mode = image.size, image.mode
    if image.draft("L", _LOOKED_AT) is None:
        image.load()
        return image.size, image.mode  # loading turns a TIFF as its tag says
    image.load()
    return size, mode


_LOOKED_AT = (72, 64)
"""Pixels that a look is made of, at least: 8 x 8 for each cell."""
STEP = 1
"""Grey levels that a neighbour has to differ by: flat parts are alike however an image was compressed."""


def difference_hash(image: Image.Image) -> int:
    """64 bits: whether each of 8 x 8 cells is darker than the one to its right (dHash).

    Bilinear, since boxes cut at whole pixels differ with the size of the image.
    """
    cells = np.asarray(
        in_8_bits(image).convert("L").resize((9, 8), Image.Resampling.BILINEAR, reducing_gap=8), dtype=np.int16
    )
    return int.from_bytes(np.packbits(cells[:, 1:] > cells[:, :-1] + STEP).tobytes(), "big")


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def read_images(paths: Sequence[Path], on_progress: Callable[[int, int], None]) -> list[DecodedImage | UnreadableImage]:
    """Read and decode files on all cores, in order; Pillow's decoders let other threads run.

    Args:
        paths: The files.
        on_progress: Told images done and images in all.
    """
    results: list[DecodedImage | UnreadableImage] = []
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for result in pool.map(read_image, paths):
            results.append(result)
            on_progress(len(results), len(paths))
    return results
