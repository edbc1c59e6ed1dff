"""Checks of single boxes, and clipping them to the decoded image. Pure."""

import math
from collections import Counter
from itertools import islice

from tasks.labeling.annotations import AnnotatedBox, Unit
from tasks.labeling.finding_kinds import FINDING_KINDS
from tasks.labeling.findings import FindingCounter
from tasks.metrics.overlap import iou
from tasks.records import Box

ROUNDING = 1.0
"""Pixels over the edge that count as rounding; Roboflow rounds corners and sides separately."""
MIN_SIDE = 1.0
"""Pixels; a box with a shorter side inside the image holds nothing to learn."""
TINY_SIDE = FINDING_KINDS["box-tiny"].limit
"""Pixels; a box with a shorter side is hardly ever detected."""
WHOLE_IMAGE = 0.99
"""Fraction of both sides of the image from which a box covers all of it."""

NEARLY_EQUAL = 0.9
"""IoU from which two boxes of one class are hardly two objects."""


def clip_boxes(
    boxes: tuple[AnnotatedBox, ...],
    width: int,
    height: int,
    place: str,
    findings: FindingCounter,
    unit: Unit = "pixels",
) -> tuple[Box, ...]:
    """Clip boxes to the image, and drop invalid and duplicate ones.

    Args:
        boxes: Boxes as annotated.
        width: Width of the decoded image in pixels.
        height: Height of the decoded image in pixels.
        place: Name of the image in findings.
        findings: Counts boxes that are clipped, dropped, tiny or as large as the image.
        unit: Unit of ``boxes``.

    Returns:
        The remaining boxes in pixels, inside the image, in the same order.
    """
    if unit == "fractions":
        boxes = tuple(_in_pixels(box, width, height) for box in boxes)
    clipped = (_clip_box(box, width, height, place, findings) for box in boxes)
    valid = [box for box in clipped if box is not None]
    unique = tuple(dict.fromkeys(valid))
    if len(unique) < len(valid):
        twice = next(box for box, times in Counter(valid).items() if times > 1)
        findings.add("box-twice", box_example(place, twice), count=len(valid) - len(unique))
    for box in unique:
        _check_size(box, width, height, place, findings)
    return unique


def box_example(place: str, box: Box) -> str:
    """Where a box is, as examples have it: place, and x, y, width and height in pixels. The page marks such boxes."""
    numbers = (box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1)
    return f"{place}: [{', '.join(f'{number:g}' for number in numbers)}]"


def one_of_nearly_equal(boxes: tuple[Box, ...]) -> tuple[Box, ...]:
    """The boxes without those that nearly cover one of the same class further left.

    Only near neighbours are compared. Of a chain of boxes, each of which nearly covers the next, the first is left.

    Args:
        boxes: Boxes of one image.

    Returns:
        The boxes that remain, in the same order.
    """
    in_order = sorted(boxes)  # by class, then by left edge
    doubles = set()
    for position, box in enumerate(in_order):
        reach = box.x1 + (1 - NEARLY_EQUAL) * (box.x2 - box.x1)
        for other in islice(in_order, position + 1, None):
            if other.class_index != box.class_index or other.x1 > reach:
                break
            if iou(box, other) >= NEARLY_EQUAL:
                doubles.add(other)
    return tuple(box for box in boxes if box not in doubles)


def _in_pixels(box: AnnotatedBox, width: int, height: int) -> AnnotatedBox:
    return AnnotatedBox(box.class_index, box.x * width, box.y * height, box.width * width, box.height * height)


def _clip_box(box: AnnotatedBox, width: int, height: int, place: str, findings: FindingCounter) -> Box | None:
    numbers = (box.x, box.y, box.width, box.height)
    x1, y1, x2, y2 = box.x, box.y, box.x + box.width, box.y + box.height
    clipped = Box(box.class_index, _within(x1, width), _within(y1, height), _within(x2, width), _within(y2, height))
    example = f"{place}: [{', '.join(f'{number:g}' for number in numbers)}]"
    if not all(map(math.isfinite, numbers)) or min(clipped.x2 - clipped.x1, clipped.y2 - clipped.y1) < MIN_SIDE:
        findings.add("box-dropped", example)
        return None
    overhang = max(-x1, -y1, x2 - width, y2 - height)
    # Sums of decimals are off by a few 1e-14, which is not an overhang.
    if overhang > ROUNDING + 1e-6:
        findings.add("box-clipped", f"{example} by {overhang:g} px")
    elif overhang > 1e-6:
        findings.add("box-rounded", example)
    return clipped


def _check_size(box: Box, width: int, height: int, place: str, findings: FindingCounter) -> None:
    box_width, box_height = box.x2 - box.x1, box.y2 - box.y1
    if min(box_width, box_height) < TINY_SIDE:
        findings.add("box-tiny", box_example(place, box))
    if box_width >= WHOLE_IMAGE * width and box_height >= WHOLE_IMAGE * height:
        findings.add("box-whole-image", box_example(place, box))


def _within(value: float, limit: int) -> float:
    """``value`` in [0, limit], to 3 decimals; adding 0.0 turns -0.0, which has other JSON, into 0.0."""
    return round(min(max(value, 0.0), float(limit)), 3) + 0.0
