"""Which image the boxes of a turned image mean: the one as stored, or the upright one that people see. Pure.

Label tools show an image as its EXIF data ask, but some write the size of the stored one, and some ignore the
orientation. One export comes from one tool, so it is decided once for all of its turned images.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from tasks.images.orientation import AS_STORED, is_sideways, upright_box
from tasks.labeling.annotations import AnnotatedBox, AnnotatedImage, Unit
from tasks.labeling.checks.images import DecodedImage

Meaning = Literal["stored", "turned"]
Turned = tuple[AnnotatedImage, DecodedImage]


def meaning_of_boxes(images: Sequence[Turned], unit: Unit) -> Meaning | None:
    """Decide which image all boxes mean: by boxes that fit into one of the two alone, else by the stated sizes.

    Args:
        images: The images with boxes whose EXIF data ask for a turn.
        unit: Unit of the boxes. Fractions fit both images.

    Returns:
        What the boxes mean; None if nothing tells, or if images contradict each other.
    """
    by_fit = {meaning for image, file in images if unit == "pixels" for meaning in _fitting(image, file)}
    votes = by_fit or {meaning for image, file in images if (meaning := _of_stated_size(image, file)) is not None}
    return next(iter(votes)) if len(votes) == 1 else None


def _fitting(image: AnnotatedImage, file: DecodedImage) -> set[Meaning]:
    """What the boxes mean whose centre is inside one of the two images alone."""
    if not is_sideways(file.orientation):
        return set()
    width, height = _stated_stored_sides(image, file)
    votes: set[Meaning] = set()
    for box in image.boxes:
        x, y = box.x + box.width / 2, box.y + box.height / 2
        in_stored, in_turned = (0 <= x <= width and 0 <= y <= height), (0 <= x <= height and 0 <= y <= width)
        if in_stored != in_turned:
            votes.add("stored" if in_stored else "turned")
    return votes


def _of_stated_size(image: AnnotatedImage, file: DecodedImage) -> Meaning | None:
    """Which of the two images the stated size is of, if they are not of one shape."""
    if not is_sideways(file.orientation) or image.width is None or image.height is None:
        return None
    if file.width == file.height or image.width == image.height:
        return None
    return "turned" if (image.width < image.height) == (file.width < file.height) else "stored"


def _stated_stored_sides(image: AnnotatedImage, file: DecodedImage) -> tuple[int, int]:
    """Width and height of the stored image in the unit of the boxes, whichever of the two the labels state."""
    width, height = file.stored_sides
    if image.width is None or image.height is None:
        return width, height
    return (
        (image.width, image.height) if (image.width < image.height) == (width < height) else (image.height, image.width)
    )


def on_upright_image(image: AnnotatedImage, file: DecodedImage, meaning: Meaning, unit: Unit) -> AnnotatedImage:
    """The boxes and the stated size of an image, both on the upright image.

    Args:
        image: The image as annotated.
        file: Its decoded file.
        meaning: What its boxes mean.
        unit: Unit of its boxes.

    Returns:
        The image as it would have been annotated on the upright one.
    """
    if file.orientation == AS_STORED:
        return image
    width, height = _stated_stored_sides(image, file)
    sides: tuple[float, float] = (1, 1) if unit == "fractions" else (width, height)
    boxes = image.boxes
    if meaning == "stored":
        boxes = tuple(AnnotatedBox(box.class_index, *upright_box(box[1:], *sides, file.orientation)) for box in boxes)
    if image.width is None or image.height is None:
        return replace(image, boxes=boxes)
    if is_sideways(file.orientation):
        width, height = height, width
    return replace(image, width=width, height=height, boxes=boxes)
