"""From an image file to pixels at the size of the network input."""

import io
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from tasks.errors import BadSpec
from tasks.images.decoding import JPEG_SIGNATURE, UnreadableImage, decode_upright
from tasks.images.network_input import half_size_is_enough
from tasks.images.orientation import upright_sides
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
        uint8 BGR ``[h, w, 3]``, upright.

    Raises:
        BadSpec: The file does not exist, cannot be decoded, or has another size than the snapshot says.
    """
    try:
        data = path.read_bytes()
        if _half_size_is_enough(data, image, size):
            return decode_upright(data, half=True)
        pixels = decode_upright(data)
    except (OSError, UnreadableImage) as error:
        raise _unlike_snapshot(path, image, f"no image ({error})") from None
    if pixels.shape[:2] != (image.height, image.width):
        raise _unlike_snapshot(path, image, f"{pixels.shape[1]} x {pixels.shape[0]} pixels")
    return pixels


def _half_size_is_enough(data: bytes, image: LabelledImage, size: int) -> bool:
    """Whether it is a JPEG as large as the snapshot says, and large enough."""
    if not data.startswith(JPEG_SIGNATURE) or not half_size_is_enough(image.width, image.height, size):
        return False
    try:
        with Image.open(io.BytesIO(data)) as header:
            return upright_sides(header) == (image.width, image.height)
    except (OSError, SyntaxError):  # Pillow raises SyntaxError for some damage
        return False


def _unlike_snapshot(path: Path, image: LabelledImage, got: str) -> BadSpec:
    return BadSpec(
        f"{path} ({image.file_name}): {got}, the snapshot says {image.width} x {image.height}; "
        "empty the dataset folder and run again"
    )
