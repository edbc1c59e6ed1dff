"""Boxes of labels that were made at another size of the image than its file has. Pure."""

from dataclasses import replace

from tasks.labeling.annotations import AnnotatedImage
from tasks.labeling.checks.images import DecodedImage
from tasks.labeling.findings import FindingCounter

MAX_ROUNDING = 1.0
"""Pixels by which the sides of a resized image may be off the exact ratio."""


def at_file_size(image: AnnotatedImage, file: DecodedImage, place: str, findings: FindingCounter) -> AnnotatedImage:
    """Scale the boxes of an image whose labels state another size of the same ratio.

    Args:
        image: The image as annotated, with boxes in pixels if the labels state a size.
        file: Its decoded file.
        place: Name of the image in findings.
        findings: Counts images whose boxes are scaled, and those of another ratio, which stay as they are.

    Returns:
        The image with boxes in pixels of the file.
    """
    stated, actual = (image.width or file.width, image.height or file.height), (file.width, file.height)
    if stated == actual:
        return image
    example = f"{place}: {stated[0]}x{stated[1]} in the labels, {file.width}x{file.height} in the file"
    if not _same_ratio(*sorted((stated, actual))):
        findings.add("size-other-ratio", example)
        return image
    findings.add("size-scaled", example)
    scale_x, scale_y = file.width / stated[0], file.height / stated[1]
    boxes = tuple(
        box._replace(x=box.x * scale_x, y=box.y * scale_y, width=box.width * scale_x, height=box.height * scale_y)
        for box in image.boxes
    )
    return replace(image, boxes=boxes)


def _same_ratio(small: tuple[int, int], large: tuple[int, int]) -> bool:
    """Whether the smaller size is the larger one, resized and rounded to whole pixels."""
    by_height, by_width = large[0] * small[1] / large[1], large[1] * small[0] / large[0]
    return min(abs(by_height - small[0]), abs(by_width - small[1])) <= MAX_ROUNDING
