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
from tasks.images.file_kinds import refusal
from tasks.images.orientation import is_sideways, orientation_of, upright, upright_sides
from tasks.labeling.findings import FindingCounter
from tasks.local.threads import in_context

FORMATS_OF_SUFFIX = {
    ".jpg": ("JPEG", "MPO"), ".jpeg": ("JPEG", "MPO"), ".png": ("PNG",), ".bmp": ("BMP",), ".webp": ("WEBP",),
    ".tif": ("TIFF",), ".tiff": ("TIFF",), ".gif": ("GIF",), ".avif": ("AVIF",), ".jp2": ("JPEG2000",),
    ".j2k": ("JPEG2000",),
}  # fmt: skip
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
LFS_REASON = "a Git LFS pointer, not the image; fetch it with git lfs pull"
UNUSUAL_MODES = frozenset({"RGBA", "LA", "PA", "CMYK", "I;16", "I;16B", "I;16L", "I", "F", "YCbCr", "LAB"})
"""Modes that lose something when an image is read as 8-bit RGB."""
UNUSUAL_FORMATS = frozenset({"GIF", "AVIF", "JPEG2000"})
"""Formats that few other tools for detectors read."""


@dataclass(frozen=True)
class DecodedImage:
    """An image file that decodes whole. Width and height are those of the upright image, turned as EXIF asks."""

    path: Path
    sha256: str
    size: int
    """Bytes of the file."""
    width: int
    height: int
    orientation: int
    """As EXIF states it; 1 for upright as stored."""
    format: str
    """As Pillow names it."""
    mode: str
    """As Pillow names it."""
    difference_hash: int
    """64 bits, nearly the same for near duplicates; 0 for images without any structure."""

    @property
    def stored_sides(self) -> tuple[int, int]:
        """Width and height in pixels of the stored image, before it is turned."""
        return (self.height, self.width) if is_sideways(self.orientation) else (self.width, self.height)


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
            if (reason := refusal(image)) is not None:
                return UnreadableImage(path, reason)
            # Before load(), which may replace what the header said.
            orientation, (width, height) = orientation_of(image), upright_sides(image)
            mode = _decode(image)
            file_format, image_hash = str(image.format), difference_hash(upright(image))
    except Exception as error:  # noqa: BLE001 - on damaged files, decoders raise errors of many types
        return UnreadableImage(path, _reason(error))
    sha256 = hashlib.sha256(data).hexdigest()
    return DecodedImage(path, sha256, len(data), width, height, orientation, file_format, mode, image_hash)


def _decode(image: Image.Image) -> str:
    """Decode an image whole, at the resolution that its hash needs; its mode.

    A JPEG is decoded in grey and at down to an eighth of its size. All of its data is still read, so damage is found,
    in a third of the time.
    """
    mode = image.mode
    draft = image.draft("L", _HASHED_SIZE)
    image.load()
    return mode if draft is not None else image.mode


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
        findings: Counts wrong suffixes, and unusual modes and formats.
    """
    if file.format not in FORMATS_OF_SUFFIX.get(file.path.suffix.lower(), ()):
        findings.add("suffix-differs", f"{place}: {file.format}")
    if file.mode in UNUSUAL_MODES:
        findings.add("unusual-mode", f"{place}: {file.mode}")
    if file.format in UNUSUAL_FORMATS:
        findings.add("unusual-format", f"{place}: {file.format}")
