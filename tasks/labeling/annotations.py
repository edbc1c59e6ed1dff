"""Labels as an export lists them, whatever its format, before images are decoded. Plain data."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from tasks.records import Split

Unit = Literal["pixels", "fractions"]


class ListedBox(NamedTuple):
    """A box as listed, by its corner and sides: maybe over the edge, negative or NaN."""

    class_index: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class ListedImage:
    """An image as listed."""

    split: Split
    file_name: str
    """Below the folder of the split's images."""
    width: int | None
    height: int | None
    boxes: tuple[ListedBox, ...]


@dataclass(frozen=True)
class Labels:
    """All splits of an export: class names in order, and images with boxes by class index."""

    classes: tuple[str, ...]
    images: tuple[ListedImage, ...]
    unit: Unit = "pixels"
    """Of the boxes' corners and sides; fractions are of the decoded image's."""
    undeclared: frozenset[str] = frozenset()
    """Classes that no class list names, only ids in rows: ``#id``."""


NO_BOX = (float("nan"),) * 4
"""Corner and sides of what has none, so that it is dropped with the others."""


def around(points: list[float]) -> tuple[float, float, float, float] | None:
    """The bounding box of points x, y, x, y, …, as corner and sides; None without any."""
    xs, ys = points[0::2], points[1::2]
    return (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)) if xs and ys else None
