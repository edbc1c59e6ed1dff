"""From network outputs to detections in pixels of the original images, in the COCO results format."""

from collections.abc import Sequence
from typing import Any

import torch
from super_gradients.training.models.detection_models.pp_yolo_e import PPYoloEPostPredictionCallback
from torch import Tensor

from tasks.records import LabelledImage
from tasks.training.worker.data.images import scale_factor

Detection = dict[str, Any]
"""``image_id`` from 1 in the split's order, ``category_id`` = class index + 1, ``bbox`` xywh pixels, ``score``."""

# mAP is taken from all detections, so the threshold is low; the rest as in super-gradients' YOLO-NAS recipe.
select_boxes = PPYoloEPostPredictionCallback(
    score_threshold=0.01, nms_top_k=1000, max_predictions=300, nms_threshold=0.7
)


def detections_of(outputs: Any, indices: Sequence[int], images: Sequence[LabelledImage], size: int) -> list[Detection]:
    """Turn one batch's outputs (in eval mode) into detections.

    Args:
        outputs: What the network gave: boxes ``[B, N, 4]`` xyxy pixels of the input, scores ``[B, N, C]``, ...
        indices: Which of ``images`` each one is.
        images: The split.
        size: Side of the network input in pixels.
    """
    found: list[Detection] = []
    for index, rows in zip(indices, select_boxes(outputs), strict=True):
        found += rows_to_detections(rows.cpu(), index, images[index], size)
    return found


def rows_to_detections(rows: Tensor, index: int, image: LabelledImage, size: int) -> list[Detection]:
    """Rows ``[n, 6]`` x1, y1, x2, y2, score, class of the input to detections of one image, clipped to it."""
    corners = rows[:, :4].double() / scale_factor(image, size)
    limits = torch.tensor([image.width, image.height] * 2, dtype=torch.float64)
    corners = torch.minimum(corners.clamp(min=0), limits)
    boxes = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], dim=1)
    return [
        {
            "image_id": index + 1,
            "category_id": int(row[5]) + 1,
            "bbox": [round(value, 2) for value in box],
            "score": round(float(row[4]), 5),
        }
        for row, box in zip(rows.tolist(), boxes.tolist(), strict=True)
    ]
