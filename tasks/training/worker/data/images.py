"""Images of a split: decoding, scaling, and a cache of decoded images.

Geometry: an image of w x h pixels is scaled by ``size / max(w, h)`` and padded right and below to size x size.
"""

import bisect
import errno
import itertools
import math
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL.JpegImagePlugin import JpegImageFile
from super_gradients.training.samples import DetectionSample
from torch import Tensor
from torch.utils.data import Dataset

from tasks.errors import BadSpec
from tasks.local.dataset_folder import image_path
from tasks.records import LabelledImage
from tasks.training.worker.runtime.memory import address_space_left, available_memory

PAD_VALUE = 114
SMALLEST_SIDE = 1.0
"""Boxes that augmentation leaves with a shorter side, in pixels, are no targets (as in super-gradients)."""
CACHE_SHARE = 0.5
"""Share of the free memory that decoded images may fill; the others go to the disk."""
DISK_SHARE = 0.5
"""Share of the free room on a disk that decoded images may fill; the rest is decoded again when its turn comes."""
HALVED_FROM = 4
"""JPEGs with so many times the pixels a side that are needed are decoded at half their size.

That takes less than half the time, and comes nearer to the image before it was a JPEG: measured on drawings with
noise, 2560 to 4032 pixels to 640, quality 75 to 95. From a quarter of the size, or with less to spare, it does not.
"""
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def scale_factor(image: LabelledImage, size: int) -> float:
    """Pixels of the network input per pixel of the image."""
    return size / max(image.width, image.height)


def scaled_size(image: LabelledImage, size: int) -> tuple[int, int]:
    """Width and height in pixels of an image scaled to the network input's longest side."""
    factor = scale_factor(image, size)
    return max(1, round(image.width * factor)), max(1, round(image.height * factor))


@dataclass(frozen=True)
class Cached:
    """How many images are kept decoded, and where."""

    in_memory: int
    on_disk: int
    again: int
    """These are decoded each time."""
    bytes_in_memory: int = 0

    def __str__(self) -> str:
        """Such as ``100 images in memory, 300 on disk, 20 decoded again each time``."""
        if not (self.on_disk or self.again):
            return f"{_images(self.in_memory)} decoded into memory"
        counts = [(self.in_memory, "in memory"), (self.on_disk, "on disk"), (self.again, "decoded again each time")]
        first, *others = [(count, where) for count, where in counts if count]
        return ", ".join([f"{_images(first[0])} {first[1]}", *(f"{count} {where}" for count, where in others)])


def _images(count: int) -> str:
    return f"{count} image{'' if count == 1 else 's'}"


class ImageFolder:
    """Images of one split, decoded and scaled to the network input's longest side; uint8 RGB ``[h, w, 3]``."""

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
    ) -> Cached:
        """Decode as many images as memory and disk have room for.

        Args:
            threads: How many decode at a time.
            spool: Folder for those that the memory share does not hold, in one file without a name.
            on_image: Called after each one.
            memory: Bytes that images may fill; None for a share of what is free.
            disk_share: Fraction of the free room on the spool's disk that they may fill.

        Raises:
            BadSpec: an image cannot be read, or is not the snapshot's.
        """
        ends = list(itertools.accumulate(3 * width * height for width, height in self._sizes()))
        in_memory = _fitting(ends, available_memory() * CACHE_SHARE if memory is None else memory)
        used = ends[in_memory - 1] if in_memory else 0
        room = min(shutil.disk_usage(spool).free, address_space_left()) * disk_share
        on_disk = range(in_memory, _fitting(ends, used + room))
        with ThreadPoolExecutor(threads) as pool:
            for index, image in enumerate(pool.map(self._decode, range(in_memory))):
                self._cache[index] = image
                on_image()
            if on_disk:
                self._spool(spool, on_disk, pool, on_image)
        return Cached(in_memory, len(self._cache) - in_memory, len(self.images) - len(self._cache), used)

    def pixels(self, index: int) -> np.ndarray:
        """One image; not to be written to."""
        return self._cache[index] if index in self._cache else self._decode(index)

    def sample(self, index: int) -> DetectionSample:
        """One image with its boxes, as super-gradients' transforms take it."""
        image = self.images[index]
        boxes = np.array([box[1:] for box in image.boxes], dtype=np.float32).reshape(-1, 4)
        return DetectionSample(
            image=self.pixels(index),
            bboxes_xyxy=boxes * scale_factor(image, self.size),
            labels=np.array([box.class_index for box in image.boxes], dtype=np.float32),
        )

    def _sizes(self) -> list[tuple[int, int]]:
        return [scaled_size(image, self.size) for image in self.images]

    def _spool(self, folder: Path, indices: range, pool: ThreadPoolExecutor, on_image: Callable[[], None]) -> None:
        sizes = self._sizes()
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            spool = Spool(file.fileno(), {index: (sizes[index][1], sizes[index][0], 3) for index in indices})

            def keep(index: int) -> None:
                if not spool.full:
                    spool.write(index, self._decode(index))

            for _ in pool.map(keep, indices):
                on_image()
            self._cache |= spool.arrays()

    def _decode(self, index: int) -> np.ndarray:
        image = self.images[index]
        pixels = read_image(image_path(self.folder, image), image, self.size)
        interpolation = cv2.INTER_AREA if scale_factor(image, self.size) < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(pixels, scaled_size(image, self.size), interpolation=interpolation)
        rgb: np.ndarray = cv2.cvtColor(scaled, cv2.COLOR_BGR2RGB)
        rgb.flags.writeable = False
        return rgb


class Spool:
    """Decoded images in a file that is mapped into memory, so that all processes forked later share it.

    Args:
        file: Descriptor of an empty file without a name: it goes with the last process that has it, however that ends.
        shapes: Height, width and channels of each image by its index.
    """

    def __init__(self, file: int, shapes: dict[int, tuple[int, int, int]]) -> None:
        self.full = False
        self._file = file
        self._shapes = shapes
        self._offsets = dict(
            zip(shapes, itertools.accumulate(map(math.prod, shapes.values()), initial=0), strict=False)
        )
        self._written: list[int] = []

    def write(self, index: int, image: np.ndarray) -> None:
        """Write one image at its place, or note that there is no room for more; threads may write at a time."""
        rest, offset = image.data.cast("B"), self._offsets[index]
        try:
            # Not into the mapping: with no room left, that would be a signal instead of an error.
            while rest:
                written = os.pwrite(self._file, rest, offset)
                rest, offset = rest[written:], offset + written
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self.full = True
        else:
            self._written.append(index)

    def arrays(self) -> dict[int, np.ndarray]:
        """Those that were written, by index; not to be written to. Of a full disk half is given back."""
        if self.full:  # somebody else fills the disk, and checkpoints need room, too
            os.ftruncate(self._file, os.fstat(self._file).st_size // 2)
        length = os.fstat(self._file).st_size
        kept = [index for index in sorted(self._written) if self._end(index) <= length]
        if not kept:
            return {}
        content = np.frombuffer(mmap.mmap(self._file, 0, access=mmap.ACCESS_READ), np.uint8)
        return {index: content[self._offsets[index] : self._end(index)].reshape(self._shapes[index]) for index in kept}

    def _end(self, index: int) -> int:
        return self._offsets[index] + math.prod(self._shapes[index])


def read_image(path: Path, image: LabelledImage, size: int) -> np.ndarray:
    """Pixels of an image, uint8 BGR ``[h, w, 3]`` as stored, or half as many a side where that is plenty for ``size``.

    Raises:
        BadSpec: it is not there, cannot be decoded, or has another size than the snapshot says.
    """
    flags, expected = cv2.IMREAD_COLOR, (image.height, image.width)
    if _halves(path, image, size):
        flags, expected = cv2.IMREAD_REDUCED_COLOR_2, (image.height // 2, image.width // 2)
    pixels: np.ndarray | None = cv2.imread(str(path), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None or pixels.shape[:2] != expected:
        got = "no image" if pixels is None else f"{pixels.shape[1]} x {pixels.shape[0]} pixels"
        raise BadSpec(
            f"{path} ({image.file_name}): {got}, the snapshot says {image.width} x {image.height}; "
            "empty the dataset folder and run again"
        )
    return pixels


def _halves(path: Path, image: LabelledImage, size: int) -> bool:
    """Whether it is a JPEG so much larger than ``size``, with even sides, so that pixels of half of it are 2 x 2."""
    if max(image.width, image.height) < HALVED_FROM * size or image.width % 2 or image.height % 2:
        return False
    try:
        with JpegImageFile(path) as header:
            return header.size == (image.width, image.height)
    except (OSError, SyntaxError):  # that is what it calls a file of another kind
        return False


def _fitting(ends: list[int], room: float) -> int:
    """How many images fit into ``room`` bytes, the first ones first; ``ends`` says where each would end."""
    return bisect.bisect_right(ends, room)


class PlainImages(Dataset[tuple[Tensor, Tensor, int]]):
    """Images as they are, asked for by index."""

    def __init__(self, folder: ImageFolder) -> None:
        self.folder = folder

    def __len__(self) -> int:
        return len(self.folder.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        """The same as of TrainingImages."""
        return *as_tensors(self.folder.sample(index), self.folder.size), index


def as_tensors(sample: DetectionSample, size: int) -> tuple[Tensor, Tensor]:
    """Pad a sample to ``size``, and turn it into an image ``[3, S, S]`` uint8 and targets ``[n, 5]``."""
    corners = torch.from_numpy(np.asarray(sample.bboxes_xyxy, dtype=np.float32))
    sides = corners[:, 2:] - corners[:, :2]
    labels = torch.from_numpy(np.asarray(sample.labels, dtype=np.float32))[:, None]
    targets = torch.cat([labels, corners[:, :2] + sides / 2, sides], dim=1)
    return torch.from_numpy(_padded(sample.image, size)), targets[sides.amin(dim=1) > SMALLEST_SIDE]


def _padded(image: np.ndarray, size: int) -> np.ndarray:
    """``[h, w, 3]`` to ``[3, S, S]``; OpenCV takes channels apart ten times as fast as numpy."""
    if image.strides[1] < 0:  # super-gradients mirrors without moving a byte, which makes every copy slow
        image = cv2.flip(image[:, ::-1], 1)
    planes = np.full((3, size, size), PAD_VALUE, dtype=np.uint8)
    height, width = image.shape[:2]
    cv2.split(image, list(planes[:, :height, :width]))
    return planes
