"""From the outputs of the network to detections in pixels of the image. Detections are rows of float64 ``[n, 6]``.

A row is x1, y1, x2, y2, score and class index; rows are sorted by score, the best first.
"""

import cv2
import numpy as np

from tasks.images.network_input import scale_factor
from tasks.images.network_output import MAX_DETECTIONS

NMS_IOU, MAX_CANDIDATES = 0.7, 1000
"""As the evaluation selects boxes."""


def select(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> np.ndarray:
    """Select boxes as the evaluation does, down to the confidence threshold.

    The suppression only ever looks at better boxes, so that dropping all below the threshold first changes nothing.

    Args:
        boxes: ``[N, 4]``, xyxy.
        scores: ``[N, C]``.
        threshold: Confidence threshold.

    Returns:
        Detections in the pixels of the boxes.
    """
    anchors, classes = np.nonzero(scores >= threshold)
    confidences = scores[anchors, classes]
    best = np.argsort(-confidences, kind="stable")[:MAX_CANDIDATES]
    rows = np.column_stack([boxes[anchors[best]], confidences[best], classes[best]]).astype(np.float64)
    return suppress(rows, NMS_IOU)[:MAX_DETECTIONS]


def suppress(rows: np.ndarray, iou: float) -> np.ndarray:
    """Drop detections that overlap a better one of their class by more than an IoU.

    Args:
        rows: Detections, sorted by score.
        iou: The IoU.

    Returns:
        Those that are left, in their order.
    """
    if not len(rows):
        return rows
    corners, sides = rows[:, :2], rows[:, 2:4] - rows[:, :2]
    corners = corners - corners.min()  # OpenCV keeps classes apart by moving them beyond the largest coordinate
    boxes, scores, classes = np.hstack([corners, sides]).tolist(), rows[:, 4].tolist(), rows[:, 5].astype(int).tolist()
    kept = cv2.dnn.NMSBoxesBatched(boxes, scores, classes, 0.0, iou)
    return rows[np.sort(np.asarray(kept, dtype=np.intp))]


def to_image(rows: np.ndarray, width: int, height: int, size: int) -> np.ndarray:
    """Turn detections in pixels of the network input into those of the image, clipped to it.

    Args:
        rows: Detections in pixels of the network input.
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        size: Side of the network input in pixels.

    Returns:
        Detections in pixels of the image.
    """
    corners = (rows[:, :4] / scale_factor(width, height, size)).clip(0, [width, height, width, height])
    return np.hstack([corners, rows[:, 4:]])
