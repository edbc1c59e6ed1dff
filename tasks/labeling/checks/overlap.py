"""Boxes of one image that two annotators drew around the same object. Pure."""

from collections.abc import Sequence

from tasks.labeling.annotations import AnnotatedBox
from tasks.metrics.overlap import iou
from tasks.records import Box

SAME_OBJECT = 0.5
"""IoU from which boxes of two annotators stand for one object."""


def merge(first: Sequence[AnnotatedBox], second: Sequence[AnnotatedBox]) -> tuple[list[AnnotatedBox], int]:
    """Merge the boxes of two annotators: of two around one object, with one class, the first is kept.

    Returns:
        The boxes of both, those of the first in front, and how many of the second's were merged.
    """
    free, added = list(first), []
    for box in second:
        same = [other for other in free if other.class_index == box.class_index and _iou(box, other) >= SAME_OBJECT]
        if same:
            free.remove(max(same, key=lambda other: _iou(box, other)))
        else:
            added.append(box)
    return [*first, *added], len(second) - len(added)


def _iou(a: AnnotatedBox, b: AnnotatedBox) -> float:
    return iou(*(Box(box.class_index, box.x, box.y, box.x + box.width, box.y + box.height) for box in (a, b)))
