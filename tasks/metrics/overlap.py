"""How much boxes overlap. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from hotcoco import mask

from tasks.records import Box

MATCH_IOU = 0.5
"""From this IoU on a detection has found a box, as for AP50 of COCO and of Pascal VOC (Everingham et al. 2010)."""


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    both = max(0.0, min(a.x2, b.x2) - max(a.x1, b.x1)) * max(0.0, min(a.y2, b.y2) - max(a.y1, b.y1))
    union = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both
    return both / union if union > 0 else 0.0


def overlapped_classes(
    truths: Sequence[Mapping[str, Any]], image_ids: Sequence[int | None], boxes: Sequence[Sequence[float]]
) -> list[set[int]]:
    """The classes of the labelled boxes that each detection overlaps with an IoU of 0.5 or more.

    Args:
        truths: COCO annotations.
        image_ids: [D] image of each detection; None for none.
        boxes: [D, 4] box of each detection, ``[x, y, width, height]`` in pixels.

    Returns:
        [D] category ids.
    """
    truths_of: dict[int, list[Mapping[str, Any]]] = defaultdict(list)
    for truth in truths:
        truths_of[truth["image_id"]].append(truth)
    positions_of: dict[int, list[int]] = defaultdict(list)
    for position, image_id in enumerate(image_ids):
        if image_id is not None and image_id in truths_of:
            positions_of[image_id].append(position)
    classes: list[set[int]] = [set() for _ in boxes]
    for image_id, positions in positions_of.items():
        labelled = truths_of[image_id]
        ious = mask.bbox_iou(
            np.array([boxes[position] for position in positions], dtype=np.float64),
            np.array([truth["bbox"] for truth in labelled], dtype=np.float64),
            [False] * len(labelled),
        )
        for row, column in np.argwhere(ious >= MATCH_IOU).tolist():
            classes[positions[row]].add(labelled[column]["category_id"])
    return classes
