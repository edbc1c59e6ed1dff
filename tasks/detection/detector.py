"""From a decoded image to its detections: the whole image at once, or in tiles as well."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from tasks.detection.postprocess import select, to_image
from tasks.detection.preprocess import DecodedImage, decode, network_input
from tasks.detection.results import Detection
from tasks.detection.runtimes import Runtime
from tasks.detection.tiles import Tile, merge, tiles_of, without_cut
from tasks.local.threads import in_context


@dataclass(frozen=True)
class Detector:
    """A loaded network, and how it is used. Threads may share it."""

    runtime: Runtime
    threshold: float
    """Confidence threshold."""
    tile: int | None = None
    """Side of a tile in pixels of the image; None for whole images alone."""

    def decode(self, data: bytes) -> DecodedImage:
        """Decode an image file as this detector needs it.

        Raises:
            UnreadableImage: it is no image that can be read.
        """
        return decode(data, None if self.tile else self.runtime.model.size)

    def detect(self, image: DecodedImage) -> tuple[Detection, ...]:
        """Detect objects, the best first."""
        rows = self._rows(image.pixels, image.width, image.height)
        if self.tile and (tiles := tiles_of(image.width, image.height, self.tile)):
            rows = merge([rows, *self._rows_of_tiles(image, tiles)])
        return tuple(_detection(row) for row in rows.tolist())

    def _rows(self, pixels: np.ndarray, width: int, height: int) -> np.ndarray:
        size = self.runtime.model.size
        boxes, scores = self.runtime.network(network_input(pixels, width, height, size))
        return to_image(select(boxes, scores, self.threshold), width, height, size)

    def _rows_of_tiles(self, image: DecodedImage, tiles: list[Tile]) -> Iterator[np.ndarray]:
        def detect(tile: Tile) -> np.ndarray:
            pixels = image.pixels[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width]
            return without_cut(self._rows(pixels, tile.width, tile.height), tile, image.width, image.height)

        with ThreadPoolExecutor(self.runtime.parallel) as pool:
            yield from pool.map(in_context(detect), tiles)


def _detection(row: list[float]) -> Detection:
    x1, y1, x2, y2, score, class_index = row
    sides = round(x2 - x1, 2), round(y2 - y1, 2)
    return Detection(int(class_index), round(score, 5), (round(x1, 2), round(y1, 2), *sides))
