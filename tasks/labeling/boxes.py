"""Boxes as labelled, brought into the picture as decoded. Pure."""

import math

from tasks.labeling.coco import ListedBox
from tasks.labeling.findings import Notes
from tasks.records import Box

ROUNDING = 1.0
"""Pixels over the edge that count as rounding; Roboflow rounds corners and sizes apart."""
SMALLEST_SIDE = 1.0
"""Pixels; a box with a shorter side inside the picture holds nothing to learn."""


def clip(boxes: tuple[ListedBox, ...], width: int, height: int, place: str, notes: Notes) -> tuple[Box, ...]:
    """Cut boxes at the picture's edge, and drop those that are none.

    Args:
        boxes: As listed, xywh in pixels.
        width: Of the decoded picture, in pixels.
        height: Of the decoded picture, in pixels.
        place: Names the picture in findings.
        notes: Told what was cut or dropped.
    """
    kept = (_clip_one(box, width, height, place, notes) for box in boxes)
    return tuple(box for box in kept if box is not None)


def _clip_one(box: ListedBox, width: int, height: int, place: str, notes: Notes) -> Box | None:
    sides = (box.x, box.y, box.width, box.height)
    x1, y1, x2, y2 = box.x, box.y, box.x + box.width, box.y + box.height
    inside = Box(box.class_index, _within(x1, width), _within(y1, height), _within(x2, width), _within(y2, height))
    example = f"{place}: [{', '.join(f'{side:g}' for side in sides)}]"
    if not all(map(math.isfinite, sides)) or min(inside.x2 - inside.x1, inside.y2 - inside.y1) < SMALLEST_SIDE:
        notes.add("box-dropped", example)
        return None
    overhang = max(-x1, -y1, x2 - width, y2 - height)
    # Sums of decimals are off by a few 1e-14, which is not an overhang.
    if overhang > ROUNDING + 1e-6:
        notes.add("box-clipped", f"{example} by {overhang:g} px")
    elif overhang > 1e-6:
        notes.add("box-rounded", example)
    return inside


def _within(value: float, limit: int) -> float:
    """``value`` in [0, limit], to 3 decimals; adding 0.0 turns -0.0, which has other JSON, into 0.0."""
    return round(min(max(value, 0.0), float(limit)), 3) + 0.0
