"""From network outputs to detections in pixels of the original images, in the COCO results format."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tasks.images.network_output import MAX_DETECTIONS
from tasks.records import LabelledImage
from tasks.training.worker.data.geometry import scale_factor
from tasks.training.worker.super_gradients_parts import PPYoloEPostPredictionCallback

Detection = dict[str, Any]
"""``image_id`` from 1 in the split's order, ``category_id`` = class index + 1, ``bbox`` xywh pixels, ``score``."""

# As super-gradients 3.7.1 validates, recipes/training_hyperparams/coco2017_yolo_nas_train_params.yaml: mAP needs all
# detections, so the threshold is low.
select_boxes = PPYoloEPostPredictionCallback(
    score_threshold=0.01, nms_top_k=1000, max_predictions=MAX_DETECTIONS, nms_threshold=0.7
)


def detections_of(outputs: Any, indices: Sequence[int], images: Sequence[LabelledImage], size: int) -> list[Detection]:
    """Turn the outputs for one batch into detections.

    Args:
        outputs: Of the network in eval mode: boxes ``[B, N, 4]`` xyxy pixels of the input, scores ``[B, N, C]``, ...
        indices: Indices of the batch's images in the split.
        images: The split.
        size: Side of the network input in pixels.

    Returns:
        Detections of all images of the batch, in its order.
    """
    detections: list[Detection] = []
    for index, rows in zip(indices, select_boxes(outputs), strict=True):
        detections += rows_to_detections(rows.cpu(), index, images[index], size)
    return detections


def rows_to_detections(rows: Tensor, index: int, image: LabelledImage, size: int) -> list[Detection]:
    """Turn the selected boxes of one image into detections, clipped to the image.

    Args:
        rows: ``[n, 6]``: x1, y1, x2, y2 in pixels of the network input, score, class index.
        index: The image's index in the split.
        image: The image.
        size: Side of the network input in pixels.

    Returns:
        One detection per row.
    """
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
