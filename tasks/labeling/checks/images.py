"""Checks of image files: one full decode, which shows whether a file is whole, its size, and its hash."""

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from tasks.images.difference_hash import difference_hash
from tasks.images.file_kinds import EXIF_ORIENTATION, MAX_PIXELS, READABLE_FORMATS
from tasks.labeling.findings import FindingCounter
from tasks.local.threads import in_context

FORMATS_OF_SUFFIX = {
    ".jpg": ("JPEG", "MPO"), ".jpeg": ("JPEG", "MPO"), ".png": ("PNG",), ".bmp": ("BMP",), ".webp": ("WEBP",),
    ".tif": ("TIFF",), ".tiff": ("TIFF",),
}  # fmt: skip
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LFS_REASON = "a Git LFS pointer, not the image; fetch it with git lfs pull"
UNUSUAL_MODES = frozenset({"RGBA", "LA", "PA", "CMYK", "I;16", "I;16B", "I;16L", "I", "F", "YCbCr", "LAB"})
"""Modes that lose something when an image is read as 8-bit RGB."""


@dataclass(frozen=True)
class DecodedImage:
    """An image file that decodes whole. Width and height are those of the stored pixels, before any EXIF rotation."""

    path: Path
    sha256: str
    size: int
    """Bytes of the file."""
    width: int
    height: int
    rotated: bool
    """Whether EXIF asks for a rotation."""
    format: str
    """As Pillow names it."""
    mode: str
    """As Pillow names it."""
    difference_hash: int
    """64 bits, nearly the same for near duplicates; 0 for images without any structure."""


@dataclass(frozen=True)
class UnreadableImage:
    """A file that is not a whole, usable image, and the reason."""

    path: Path
    reason: str


def read_image(path: Path) -> DecodedImage | UnreadableImage:
    """Read and decode one image file whole; a truncated JPEG opens and even verifies, so only decoding shows it."""
    try:
        data = path.read_bytes()
        if data.startswith(LFS_POINTER):
            return UnreadableImage(path, LFS_REASON)
        with Image.open(io.BytesIO(data)) as image:
            if image.format not in READABLE_FORMATS:
                return UnreadableImage(path, f"{image.format} is not read in training; use JPEG or PNG")
            if image.width * image.height > MAX_PIXELS:
                return UnreadableImage(path, f"{image.width}x{image.height} is over {MAX_PIXELS // 10**6} megapixels")
            if (frames := getattr(image, "n_frames", 1)) > 1 and image.format != "MPO":
                return UnreadableImage(path, f"{frames} frames; use an image a frame")
            # Before load(), which may replace what the header said.
            rotated = image.getexif().get(EXIF_ORIENTATION, 1) not in (0, 1)
            (width, height), mode = _decode(image)
            file_format, image_hash = str(image.format), difference_hash(image)
    except Exception as error:  # noqa: BLE001 - on damaged files, decoders raise errors of many types
        return UnreadableImage(path, _reason(error))
    sha256 = hashlib.sha256(data).hexdigest()
    return DecodedImage(path, sha256, len(data), width, height, rotated, file_format, mode, image_hash)


def _decode(image: Image.Image) -> tuple[tuple[int, int], str]:
    """Decode an image whole, at the resolution that its hash needs; its stored size and mode.

    A JPEG is decoded in grey and at down to an eighth of its size. All of its data is still read, so damage is found,
    in a third of the time.
    """
    size, mode = image.size, image.mode
    if image.draft("L", _HASHED_SIZE) is None:
        image.load()
        return image.size, image.mode  # loading rotates a TIFF as its tag says
    image.load()
    return size, mode


_HASHED_SIZE = (72, 64)
"""Minimum size in pixels from which a hash is made: 8 x 8 for each cell."""


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def read_images(paths: Sequence[Path], on_progress: Callable[[int, int], None]) -> list[DecodedImage | UnreadableImage]:
    """Read and decode image files on all cores; Pillow's decoders release the GIL.

    Args:
        paths: The files.
        on_progress: Called with the number of images done and of all images.

    Returns:
        A result for each file, in order.
    """
    results: list[DecodedImage | UnreadableImage] = []
    with ThreadPoolExecutor(max_workers=min(8, os.cpu_count() or 1)) as pool:
        for result in pool.map(in_context(read_image), paths):
            results.append(result)
            on_progress(len(results), len(paths))
    return results


def check_image(file: DecodedImage, place: str, findings: FindingCounter) -> None:
    """Compare an image file with what its name says, and look for what is unusual.

    Args:
        file: A decoded file.
        place: Name of the image in findings.
        findings: Counts wrong suffixes, EXIF rotations and unusual modes.
    """
    if file.rotated:
        findings.add("exif-rotation", place)
    if file.format not in FORMATS_OF_SUFFIX.get(file.path.suffix.lower(), ()):
        findings.add("suffix-differs", f"{place}: {file.format}")
    if file.mode in UNUSUAL_MODES:
        findings.add("unusual-mode", f"{place}: {file.mode}")
