"""Picture files: digest, and one full decode that says whether a file is whole and how big its picture is."""

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

FORMATS = frozenset({"JPEG", "MPO", "PNG", "BMP", "WEBP", "TIFF"})
"""What Pillow and the trainer's OpenCV both read, to the same size. Grey, palette, RGBA, CMYK and 16 bit are fine."""
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif", ".avif", ".heic"})
"""File names that look like pictures, readable or not."""
MOST_PIXELS = 100_000_000
_EXIF_ORIENTATION = 0x0112


@dataclass(frozen=True)
class Picture:
    """A file that decodes whole. Width and height are of the pixels as stored, before any EXIF rotation."""

    path: Path
    sha256: str
    size: int
    width: int
    height: int
    rotated: bool


@dataclass(frozen=True)
class BrokenPicture:
    """A file that does not, and why."""

    path: Path
    reason: str


def read_picture(path: Path) -> Picture | BrokenPicture:
    """Read and decode one file whole; half a JPEG opens and even verifies, so only decoding tells."""
    try:
        data = path.read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            if image.format not in FORMATS:
                return BrokenPicture(path, f"{image.format} is not read in training; use JPEG or PNG")
            if image.width * image.height > MOST_PIXELS:
                return BrokenPicture(path, f"{image.width}x{image.height} is over {MOST_PIXELS // 10**6} megapixels")
            # Before load(), which may replace what the header said.
            rotated = image.getexif().get(_EXIF_ORIENTATION, 1) not in (0, 1)
            image.load()
            width, height = image.size
    except Exception as error:  # noqa: BLE001 - damaged files raise what the decoder of the day raises
        return BrokenPicture(path, _reason(error))
    return Picture(path, hashlib.sha256(data).hexdigest(), len(data), width, height, rotated)


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not a picture"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def read_pictures(paths: Sequence[Path], on_progress: Callable[[int, int], None]) -> list[Picture | BrokenPicture]:
    """Read and decode files on all cores, in order; Pillow's decoders let other threads run.

    Args:
        paths: The files.
        on_progress: Told pictures done and pictures in all.
    """
    results: list[Picture | BrokenPicture] = []
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for result in pool.map(read_picture, paths):
            results.append(result)
            on_progress(len(results), len(paths))
    return results
