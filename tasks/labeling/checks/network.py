"""Checks against what the network is: the size of its input, and how many boxes it can give. Pure."""

from collections.abc import Sequence

from tasks.images.network_input import scale_factor
from tasks.images.network_output import max_detections
from tasks.labeling.checks.boxes import box_example
from tasks.labeling.finding_kinds import FINDING_KINDS
from tasks.labeling.findings import FindingCounter
from tasks.records import LabelledImage

MIN_INPUT_SIDE = FINDING_KINDS["box-tiny-for-network"].limit
"""Pixels of the network input: half a cell of its finest grid."""


def check_network_fit(images: Sequence[LabelledImage], size: int, findings: FindingCounter) -> None:
    """Count boxes that are too small in the network input, and images with more boxes than the network can give.

    Args:
        images: All images, with the boxes that remain.
        size: Side of the network input in pixels.
        findings: Counts what does not fit.
    """
    limit = max_detections(size)
    for image in images:
        place = f"{image.split}/{image.file_name}"
        if len(image.boxes) > limit:
            findings.add("boxes-over-limit", f"{place}: {len(image.boxes)} boxes, limit {limit} at {size} px")
        factor = scale_factor(image.width, image.height, size)
        for box in image.boxes:
            width, height = (box.x2 - box.x1) * factor, (box.y2 - box.y1) * factor
            if min(width, height) < MIN_INPUT_SIDE:
                findings.add(
                    "box-tiny-for-network", f"{box_example(place, box)}, {width:.2g} x {height:.2g} px at {size} px"
                )
