"""From an image file to the input of the network, as the trainer makes it."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from tasks.images.decoding import UnreadableImage, decode_upright
from tasks.images.file_kinds import refusal
from tasks.images.network_input import PAD_VALUE, half_size_is_enough, scale_factor, scaled_size
from tasks.images.orientation import AS_STORED, orientation_of, upright_sides


@dataclass(frozen=True)
class DecodedImage:
    """An image in memory, turned as EXIF asks. A large JPEG is decoded at half its width and height."""

    pixels: np.ndarray
    """uint8 BGR ``[h, w, 3]``, upright, as in training."""
    width: int
    height: int
    rotated: bool = False
    """Whether it was turned."""


def decode(data: bytes, input_size: int | None = None) -> DecodedImage:
    """Decode an image file.

    Args:
        data: The file's bytes.
        input_size: Side of the network input in pixels: a JPEG that is much larger is decoded at half its size. None to
            decode all pixels.

    Returns:
        The image.

    Raises:
        UnreadableImage: it is no image, damaged, or of a kind that training does not read.
    """
    try:
        with Image.open(io.BytesIO(data)) as header:
            reason, is_jpeg, (width, height) = refusal(header), header.format in ("JPEG", "MPO"), header.size
            turned = False
            if header.format != "PNG":  # to look for its EXIF data would decode it
                turned, (width, height) = orientation_of(header) != AS_STORED, upright_sides(header)
    except UnidentifiedImageError:
        raise UnreadableImage("not an image") from None
    except Exception as error:  # noqa: BLE001 - on damaged files, decoders raise errors of many types
        raise UnreadableImage(" ".join(str(error).split()) or type(error).__name__) from None
    if reason is not None:
        raise UnreadableImage(reason)
    half = is_jpeg and input_size is not None and half_size_is_enough(width, height, input_size)
    pixels = decode_upright(data, half=half)
    if not half and pixels.shape[:2] != (height, width):
        turned, (height, width) = True, pixels.shape[:2]
    return DecodedImage(pixels, width, height, turned)


def network_input(pixels: np.ndarray, width: int, height: int, size: int) -> np.ndarray:
    """Scale an image to the input of the network, and pad it on the right and below.

    Args:
        pixels: uint8 BGR ``[h, w, 3]``.
        width: Width of the image in pixels, which may be twice that of the pixels.
        height: Height of the image, likewise.
        size: Side of the network input in pixels.

    Returns:
        uint8 BGR ``[size, size, 3]``.
    """
    interpolation = cv2.INTER_AREA if scale_factor(width, height, size) < 1 else cv2.INTER_LINEAR
    scaled = scaled_size(width, height, size)
    padded = np.full((size, size, 3), PAD_VALUE, np.uint8)
    cv2.resize(pixels, scaled, padded[: scaled[1], : scaled[0]], interpolation=interpolation)
    return padded
