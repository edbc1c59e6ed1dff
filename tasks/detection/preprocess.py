"""From an image file to the input of the network, as the trainer makes it."""

import io
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from tasks.images.file_kinds import EXIF_ORIENTATION, MAX_PIXELS, READABLE_FORMATS
from tasks.images.network_input import PAD_VALUE, half_size_is_enough, scale_factor, scaled_size


class UnreadableImage(Exception):
    """It is no whole image that can be read; the message is the reason."""


@dataclass(frozen=True)
class DecodedImage:
    """An image in memory. Width and height are those of the file; a large JPEG is decoded at half of them."""

    pixels: np.ndarray
    """uint8 BGR ``[h, w, 3]`` as stored: the orientation in a file's EXIF data is ignored, as in training."""
    width: int
    height: int
    rotated: bool = False
    """Whether EXIF asks for a rotation."""


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
            kind, (width, height) = str(header.format), header.size
            frames = getattr(header, "n_frames", 1)
            # Of a PNG Pillow would decode all pixels, since its EXIF data may be behind them.
            rotated = kind != "PNG" and header.getexif().get(EXIF_ORIENTATION, 1) not in (0, 1)
    except UnidentifiedImageError:
        raise UnreadableImage("not an image") from None
    except Exception as error:  # noqa: BLE001 - on damaged files, decoders raise errors of many types
        raise UnreadableImage(" ".join(str(error).split()) or type(error).__name__) from None
    if kind not in READABLE_FORMATS:
        raise UnreadableImage(f"{kind} is not read; use JPEG or PNG")
    if width * height > MAX_PIXELS:
        raise UnreadableImage(f"{width}x{height} is over {MAX_PIXELS // 10**6} megapixels")
    if frames > 1 and kind != "MPO":
        raise UnreadableImage(f"{frames} frames; use an image a frame")
    is_jpeg = kind in ("JPEG", "MPO")
    half = is_jpeg and input_size is not None and half_size_is_enough(width, height, input_size)
    flags = cv2.IMREAD_REDUCED_COLOR_2 if half else cv2.IMREAD_COLOR
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise UnreadableImage("damaged, or cut short")
    if not half:  # OpenCV turns a TIFF as its tag says
        height, width = pixels.shape[:2]
    return DecodedImage(pixels, width, height, rotated)


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
