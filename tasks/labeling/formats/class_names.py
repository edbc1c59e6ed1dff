"""From boxes with class names to annotations with class indices. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.errors import BadExport
from tasks.labeling.annotations import AnnotatedBox, AnnotatedImage, Annotations, NamedBox, Unit
from tasks.records import Split


@dataclass(frozen=True)
class NamedImage:
    """An image as annotated, with boxes by class name."""

    split: Split
    file_name: str
    width: int | None
    height: int | None
    boxes: Sequence[NamedBox]
    is_labelled: bool = True
    """Whether there is a label file or row of it."""


def class_names(images: Sequence[NamedImage]) -> tuple[str, ...]:
    """Classes of a format without a class list, in alphabetical order.

    Raises:
        BadExport: there are none.
    """
    names = _used_names(images)
    if not names:
        raise BadExport("no label names a class; label at least one image and export again")
    return tuple(sorted(names))


def index_classes(classes: Sequence[str], images: Sequence[NamedImage], unit: Unit) -> Annotations:
    """Replace class names by indices.

    Args:
        classes: Declared class names in order. Other names that boxes use follow, as undeclared classes.
        images: Images of all splits.
        unit: Unit of the boxes.

    Returns:
        The same images as annotations.
    """
    undeclared = sorted(_used_names(images) - set(classes))
    index = {name: position for position, name in enumerate((*classes, *undeclared))}
    return Annotations(
        classes=tuple(index),
        images=tuple(
            AnnotatedImage(
                image.split,
                image.file_name,
                image.width,
                image.height,
                tuple(AnnotatedBox(index[name], *corner_and_sides) for name, *corner_and_sides in image.boxes),
                image.is_labelled,
            )
            for image in images
        ),
        unit=unit,
        undeclared_classes=frozenset(undeclared),
    )


def _used_names(images: Sequence[NamedImage]) -> set[str]:
    return {box.class_name for image in images for box in image.boxes}
