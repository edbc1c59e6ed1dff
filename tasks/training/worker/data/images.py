"""The images of a split, kept decoded as far as memory and disk have room."""

import bisect
import itertools
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.local.dataset_folder import image_path
from tasks.records import LabelledImage
from tasks.training.worker.data.decoding import decode_scaled
from tasks.training.worker.data.geometry import scale_factor, scaled_size
from tasks.training.worker.data.spool import Spool
from tasks.training.worker.runtime.memory import address_space_left, available_memory
from tasks.training.worker.super_gradients_parts import DetectionSample

CACHE_SHARE = 0.5
"""Fraction of the free memory that decoded images may fill; the others go to the disk."""
DISK_SHARE = 0.5
"""Fraction of the free space on a disk that decoded images may fill; the others are decoded each time."""


@dataclass(frozen=True)
class CacheCounts:
    """How many images are kept decoded, and where."""

    in_memory: int
    on_disk: int
    not_cached: int
    """These are decoded each time."""
    bytes_in_memory: int = 0

    def __str__(self) -> str:
        """Such as ``100 images in memory, 300 on disk, 20 decoded again each time``."""
        if not (self.on_disk or self.not_cached):
            return f"{_images(self.in_memory)} decoded into memory"
        counts = [
            (self.in_memory, "in memory"),
            (self.on_disk, "on disk"),
            (self.not_cached, "decoded again each time"),
        ]
        first, *others = [(count, where) for count, where in counts if count]
        return ", ".join([f"{_images(first[0])} {first[1]}", *(f"{count} {where}" for count, where in others)])


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"


class ImageFolder:
    """Images of one split, decoded and scaled to the network input's longest side; uint8 RGB ``[h, w, 3]``.

    Args:
        folder: The dataset folder.
        images: The split.
        size: Side of the network input in pixels.
    """

    def __init__(self, folder: Path, images: Sequence[LabelledImage], size: int) -> None:
        self.folder = folder
        self.images = images
        self.size = size
        self._cache: dict[int, np.ndarray] = {}

    def fill_cache(
        self,
        threads: int,
        spool: Path,
        on_image: Callable[[], None] = lambda: None,
        *,
        memory: int | None = None,
        disk_share: float = DISK_SHARE,
    ) -> CacheCounts:
        """Decode as many images as memory and disk have room for.

        Args:
            threads: Number of threads that decode.
            spool: Folder for the images that the memory has no room for; they go into one file without a name.
            on_image: Called after each image.
            memory: Bytes that images may fill; None for ``CACHE_SHARE`` of what is free.
            disk_share: Fraction of the free space on the spool's disk that they may fill.

        Returns:
            How many images are where.

        Raises:
            BadSpec: An image cannot be read, or is not the one of the snapshot.
        """
        ends = list(itertools.accumulate(3 * width * height for width, height in self._sizes()))
        in_memory = _fitting(ends, available_memory() * CACHE_SHARE if memory is None else memory)
        used = ends[in_memory - 1] if in_memory else 0
        # Mapped files take addresses, so the limit of addresses counts, too.
        room = min(shutil.disk_usage(spool).free, address_space_left()) * disk_share
        on_disk = range(in_memory, _fitting(ends, used + room))
        with ThreadPoolExecutor(threads) as pool:
            for index, pixels in enumerate(pool.map(self._decode, range(in_memory))):
                self._cache[index] = pixels
                on_image()
            if on_disk:
                self._fill_spool(spool, on_disk, pool, on_image)
        return CacheCounts(in_memory, len(self._cache) - in_memory, len(self.images) - len(self._cache), used)

    def pixels(self, index: int) -> np.ndarray:
        """Give one image, read-only."""
        return self._cache[index] if index in self._cache else self._decode(index)

    def sample(self, index: int) -> DetectionSample:
        """Give one image with its boxes, as super-gradients' transforms take it."""
        image = self.images[index]
        boxes = np.array([box[1:] for box in image.boxes], dtype=np.float32).reshape(-1, 4)
        return DetectionSample(
            image=self.pixels(index),
            bboxes_xyxy=boxes * scale_factor(image, self.size),
            labels=np.array([box.class_index for box in image.boxes], dtype=np.float32),
        )

    def _sizes(self) -> list[tuple[int, int]]:
        return [scaled_size(image, self.size) for image in self.images]

    def _fill_spool(self, folder: Path, indices: range, pool: ThreadPoolExecutor, on_image: Callable[[], None]) -> None:
        sizes = self._sizes()
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            spool = Spool(file.fileno(), {index: (sizes[index][1], sizes[index][0], 3) for index in indices})

            def add(index: int) -> None:
                if not spool.full:
                    spool.write(index, self._decode(index))

            for _ in pool.map(add, indices):
                on_image()
            self._cache |= spool.arrays()

    def _decode(self, index: int) -> np.ndarray:
        image = self.images[index]
        return decode_scaled(image_path(self.folder, image), image, self.size)


def _fitting(ends: list[int], room: float) -> int:
    """How many of the first images fit into ``room`` bytes, where ``ends`` are their accumulated sizes in bytes."""
    return bisect.bisect_right(ends, room)
