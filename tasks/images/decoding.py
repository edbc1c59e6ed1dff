"""The pixels of an image file, as training and detection read them: one decoder for both."""

import io

import cv2
import numpy as np
from PIL import Image

from tasks.images.orientation import upright
from tasks.images.pixels import in_8_bits

JPEG_SIGNATURE = b"\xff\xd8\xff"
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BMP_SIGNATURE = b"BM"


class UnreadableImage(Exception):
    """It is no whole image that can be read; the message is the reason."""


def decode_upright(data: bytes, *, half: bool = False) -> np.ndarray:
    """Decode an image file; of several frames the first.

    OpenCV decodes what it reads and turns right, and twice as fast: JPEG, PNG, BMP and WebP. Pillow decodes the others:
    OpenCV does not turn AVIF, and reads a turned TIFF or not depending on where it lies.

    Args:
        data: The file's bytes.
        half: Whether a JPEG is decoded at half its size.

    Returns:
        uint8 BGR ``[h, w, 3]``, turned as EXIF asks.

    Raises:
        UnreadableImage: it cannot be decoded.
    """
    if _is_for_opencv(data):
        flags = cv2.IMREAD_REDUCED_COLOR_2 if half else cv2.IMREAD_COLOR
        pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        if pixels is None:
            raise UnreadableImage("damaged, or cut short")
        return pixels
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            rgb = np.asarray(in_8_bits(upright(image)).convert("RGB"))
    except Exception as error:  # noqa: BLE001 - on damaged files, decoders raise errors of many types
        raise UnreadableImage(" ".join(str(error).split()) or type(error).__name__) from None
    bgr: np.ndarray = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    return bgr


def _is_for_opencv(data: bytes) -> bool:
    return data.startswith((JPEG_SIGNATURE, _PNG_SIGNATURE, _BMP_SIGNATURE)) or (
        data.startswith(b"RIFF") and data[8:12] == b"WEBP"
    )
