"""The annotations of an export as its label files state them, before images are decoded. Plain data."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from tasks.records import Split

Unit = Literal["pixels", "fractions"]
CornerAndSides = tuple[float, float, float, float]
"""Left, top, width and height of a box."""
NO_BOX: CornerAndSides = (float("nan"),) * 4
"""Stands for the box of an annotation without one, so that it is dropped like other invalid boxes."""


class AnnotatedBox(NamedTuple):
    """A box as annotated: it may reach over the edge of the image, or have negative or NaN sides."""

    class_index: int
    x: float
    y: float
    width: float
    height: float


class NamedBox(NamedTuple):
    """A box as annotated, with the name of its class."""

    class_name: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class AnnotatedImage:
    """An image that the labels list. It may be missing on disk."""

    split: Split
    file_name: str
    """Path below the folder of the split's images."""
    width: int | None
    """Pixels, if the labels say so; the same for the height."""
    height: int | None
    boxes: tuple[AnnotatedBox, ...]
    is_labelled: bool = True
    """Whether there is a label file or row of it, if only to say that there are no boxes."""


@dataclass(frozen=True)
class Annotations:
    """All annotations of an export."""

    classes: tuple[str, ...]
    """Class names; the class index of a box points here."""
    images: tuple[AnnotatedImage, ...]
    unit: Unit = "pixels"
    """Unit of the boxes: pixels, or fractions of the decoded image's width and height."""
    undeclared_classes: frozenset[str] = frozenset()
    """Classes that label rows use by id but no class list names; each is called ``#id``."""


def bounding_box(points: list[float]) -> CornerAndSides | None:
    """Bounding box of a polygon given as x, y, x, y, …; None for no points."""
    xs, ys = points[0::2], points[1::2]
    return (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)) if xs and ys else None
