"""Boxes as labelled, brought into the image as decoded. Pure."""

import math

from tasks.labeling.annotations import ListedBox, Unit
from tasks.labeling.findings import TINY, Notes
from tasks.records import Box

ROUNDING = 1.0
"""Pixels over the edge that count as rounding; Roboflow rounds corners and sizes apart."""
SMALLEST_SIDE = 1.0
"""Pixels; a box with a shorter side inside the image holds nothing to learn."""
WHOLE = 0.99
"""Share of both sides of the image from which a box covers all of it."""


def clip(
    boxes: tuple[ListedBox, ...], width: int, height: int, place: str, notes: Notes, unit: Unit = "pixels"
) -> tuple[Box, ...]:
    """Cut boxes at the image's edge, and drop those that are none, or are there twice.

    Args:
        boxes: As listed.
        width: Of the decoded image, in pixels.
        height: Of the decoded image, in pixels.
        place: Names the image in findings.
        notes: Told what was cut or dropped.
        unit: Of the listed boxes.
    """
    if unit == "fractions":
        boxes = tuple(_in_pixels(box, width, height) for box in boxes)
    kept = (_clip_one(box, width, height, place, notes) for box in boxes)
    found = [box for box in kept if box is not None]
    once = tuple(dict.fromkeys(found))
    if len(once) < len(found):
        notes.add("box-twice", place, count=len(found) - len(once))
    for box in once:
        _note_size(box, width, height, place, notes)
    return once


def _in_pixels(box: ListedBox, width: int, height: int) -> ListedBox:
    return ListedBox(box.class_index, box.x * width, box.y * height, box.width * width, box.height * height)


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


def _note_size(box: Box, width: int, height: int, place: str, notes: Notes) -> None:
    sides = box.x2 - box.x1, box.y2 - box.y1
    if min(sides) < TINY:
        notes.add("box-tiny", f"{place}: {sides[0]:g} x {sides[1]:g} px")
    if sides[0] >= WHOLE * width and sides[1] >= WHOLE * height:
        notes.add("box-whole-image", place)


def _within(value: float, limit: int) -> float:
    """``value`` in [0, limit], to 3 decimals; adding 0.0 turns -0.0, which has other JSON, into 0.0."""
    return round(min(max(value, 0.0), float(limit)), 3) + 0.0
