"""A detector of bright rectangles, exact and without training, in the place of a network."""

import cv2
import numpy as np

from tasks.detection.detector import Detector
from tasks.detection.model_file import Model
from tasks.detection.runtimes import Runtime

MIN_SIDE = 4
"""Pixels of the network input; smaller spots are not seen, as by a network."""
CLASSES = ("grey", "white")


def network(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Boxes and scores of bright spots: class 1 from a brightness of 230 on, class 0 from 180 on."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    _, _, stats, _ = cv2.connectedComponentsWithStats((grey > 150).astype(np.uint8))
    spots = [(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:].tolist() if min(w, h) >= MIN_SIDE]
    scores = np.zeros((len(spots), len(CLASSES)), np.float32)
    for index, (x1, y1, x2, y2) in enumerate(spots):
        scores[index, int(grey[y1:y2, x1:x2].max() >= 230)] = 0.5 + (x2 - x1) * (y2 - y1) / 1e7
    return np.array(spots, np.float32).reshape(-1, 4), scores


def detector(size: int = 320, threshold: float = 0.4, tile: int | None = None) -> Detector:
    """A detector with a square input of ``size`` pixels."""
    model = Model(CLASSES, size, threshold, "spots", 1, "0" * 64)
    return Detector(Runtime(model, network, "no device", parallel=2), threshold, tile)


def image(width: int, height: int, spots: list[tuple[int, int, int, int]], brightness: int = 250) -> np.ndarray:
    """A dark image with bright rectangles, xywh."""
    pixels = np.full((height, width, 3), 20, np.uint8)
    for x, y, w, h in spots:
        pixels[y : y + h, x : x + w] = brightness
    return pixels
