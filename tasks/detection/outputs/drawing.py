"""Annotated images and thumbnails, as JPEG."""

from collections.abc import Sequence

import cv2
import numpy as np
import supervision as sv

from tasks.detection.preprocess import DecodedImage
from tasks.detection.results import Detection

COLOURS = ("#2f80d8", "#d1495b", "#1d8a4e", "#b45309", "#7b4fc9", "#008891", "#c2379b", "#6b7d0e")
QUALITY, THUMBNAIL_QUALITY = 90, 80
THUMBNAIL_SIDE = 320
"""Longest side of a thumbnail, pixels."""
_PALETTE = sv.ColorPalette.from_hex(list(COLOURS))


def draw(image: DecodedImage, detections: Sequence[Detection], classes: Sequence[str]) -> np.ndarray:
    """Draw detections on an image, whose pixels are changed.

    Args:
        image: The image; one that was decoded at half its size is drawn at that size.
        detections: What was detected.
        classes: Class names.

    Returns:
        Its pixels, uint8 BGR.
    """
    pixels = np.ascontiguousarray(image.pixels)
    if not detections:
        return pixels
    scale = pixels.shape[1] / image.width
    size = pixels.shape[1], pixels.shape[0]
    boxes = np.array([one.bbox for one in detections]) * scale
    boxes[:, 2:] += boxes[:, :2]
    drawn = sv.Detections(
        xyxy=boxes,
        confidence=np.array([one.score for one in detections]),
        class_id=np.array([one.class_index for one in detections]),
    )
    thickness = sv.calculate_optimal_line_thickness(size)
    text_scale = max(0.4, sv.calculate_optimal_text_scale(size) * 0.6)
    labels = [f"{classes[one.class_index]} {one.score:.2f}" for one in detections]
    sv.BoxAnnotator(_PALETTE, thickness=thickness).annotate(pixels, drawn)
    sv.LabelAnnotator(_PALETTE, text_scale=text_scale, text_padding=3).annotate(pixels, drawn, labels)
    return pixels


def jpeg(pixels: np.ndarray) -> bytes:
    """An image as a JPEG file."""
    return _encoded(pixels, QUALITY)


def thumbnail(pixels: np.ndarray) -> bytes:
    """A small version of an image as a JPEG file."""
    height, width = pixels.shape[:2]
    factor = min(1.0, THUMBNAIL_SIDE / max(width, height))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return _encoded(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), THUMBNAIL_QUALITY)


def _encoded(pixels: np.ndarray, quality: int) -> bytes:
    _, content = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return content.tobytes()
