"""From an image file to pixels at the size of the network input."""

from pathlib import Path

import cv2
import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from tasks.errors import BadSpec
from tasks.images.network_input import half_size_is_enough
from tasks.records import LabelledImage
from tasks.training.worker.data.geometry import scale_factor, scaled_size


def decode_scaled(path: Path, image: LabelledImage, size: int) -> np.ndarray:
    """Decode an image and scale it to the network input's longest side.

    Args:
        path: The image file.
        image: What the snapshot says about it.
        size: Side of the network input in pixels.

    Returns:
        Read-only uint8 RGB ``[h, w, 3]``.

    Raises:
        BadSpec: The file cannot be read, or the image has another size than the snapshot says.
    """
    pixels = read_image(path, image, size)
    interpolation = cv2.INTER_AREA if scale_factor(image, size) < 1 else cv2.INTER_LINEAR
    scaled = cv2.resize(pixels, scaled_size(image, size), interpolation=interpolation)
    rgb: np.ndarray = cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB)
    rgb.flags.writeable = False
    return rgb


def read_image(path: Path, image: LabelledImage, size: int) -> np.ndarray:
    """Decode an image at its own size, or at half of it where that is plenty for the network input.

    Args:
        path: The image file.
        image: What the snapshot says about it.
        size: Side of the network input in pixels.

    Returns:
        uint8 BGR ``[h, w, 3]`` as stored: the orientation in a file's EXIF data is ignored.

    Raises:
        BadSpec: The file does not exist, cannot be decoded, or has another size than the snapshot says.
    """
    flags, expected = cv2.IMREAD_COLOR, (image.height, image.width)
    if _half_size_is_enough(path, image, size):
        flags, expected = cv2.IMREAD_REDUCED_COLOR_2, (image.height // 2, image.width // 2)
    pixels: np.ndarray | None = cv2.imread(str(path), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None or pixels.shape[:2] != expected:
        got = "no image" if pixels is None else f"{pixels.shape[1]} x {pixels.shape[0]} pixels"
        raise BadSpec(
            f"{path} ({image.file_name}): {got}, the snapshot says {image.width} x {image.height}; "
            "empty the dataset folder and run again"
        )
    return pixels


def _half_size_is_enough(path: Path, image: LabelledImage, size: int) -> bool:
    """Whether it is a JPEG, and large enough."""
    if not half_size_is_enough(image.width, image.height, size):
        return False
    try:
        with JpegImageFile(path) as header:
            return header.size == (image.width, image.height)
    except (OSError, SyntaxError):  # Pillow raises SyntaxError for a file of another kind
        return False
