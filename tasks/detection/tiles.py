"""Tiles of a large image, each of which goes through the network on its own, and the detections of all together.

Objects that are too small once the whole image is scaled to the network input are large enough in a tile. Neighbouring
tiles overlap, so that every object up to the size of the overlap is whole in one of them. Larger ones are found in the
whole image, which goes through the network as well.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tasks.detection.postprocess import suppress

OVERLAP = 0.25
"""Share of a tile's side that it has in common with the next one, at least."""
MERGE_IOU = 0.5
"""Detections of different tiles with a larger IoU are one object; scaled differently, their boxes differ more than
those of one network output."""
EDGE = 2.0
"""A box that ends within so many pixels of a cut edge may be a part of an object."""


@dataclass(frozen=True)
class Tile:
    """A part of an image, in its pixels."""

    x: int
    y: int
    width: int
    height: int


def tiles_of(width: int, height: int, side: int) -> list[Tile]:
    """Tiles that cover an image, row by row; none where one tile would be the whole image.

    Args:
        width: Of the image, in pixels.
        height: Of the image, in pixels.
        side: Of a tile, in pixels.

    Returns:
        The tiles, all of the same size.
    """
    if max(width, height) <= side:
        return []
    columns, rows = _starts(width, side), _starts(height, side)
    return [Tile(x, y, min(side, width), min(side, height)) for y in rows for x in columns]


def _starts(length: int, side: int) -> list[int]:
    """Where tiles begin along one side of an image: evenly, from one end to the other."""
    if length <= side:
        return [0]
    step = max(1, int(side * (1 - OVERLAP)))
    count = -(-(length - side) // step) + 1
    return [round(index * (length - side) / (count - 1)) for index in range(count)]


def without_cut(rows: np.ndarray, tile: Tile, width: int, height: int) -> np.ndarray:
    """Drop detections that end at an edge where the tile cuts the image, and give the others in pixels of the image.

    Args:
        rows: Detections in pixels of the tile.
        tile: The tile.
        width: Of the image, in pixels.
        height: Of the image, in pixels.

    Returns:
        Detections in pixels of the image.
    """
    moved = rows + np.array([tile.x, tile.y, tile.x, tile.y, 0, 0])
    right, below = tile.x + tile.width, tile.y + tile.height
    cut = np.zeros(len(rows), bool)
    if tile.x > 0:
        cut |= moved[:, 0] < tile.x + EDGE
    if tile.y > 0:
        cut |= moved[:, 1] < tile.y + EDGE
    if right < width:
        cut |= moved[:, 2] > right - EDGE
    if below < height:
        cut |= moved[:, 3] > below - EDGE
    whole: np.ndarray = moved[~cut]
    return whole


def merge(parts: Iterable[np.ndarray]) -> np.ndarray:
    """Detections of all tiles and of the whole image, each object once, the best first."""
    rows = np.concatenate(list(parts))
    return suppress(rows[np.argsort(-rows[:, 4], kind="stable")], MERGE_IOU)
