"""Pictures of a split: decoding, scaling, and a cache of decoded pictures.

Geometry: a picture of w x h pixels is scaled by ``size / max(w, h)`` and padded right and below to size x size.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import psutil
import torch
from super_gradients.training.samples import DetectionSample
from super_gradients.training.transforms.detection import DetectionPadIfNeeded
from torch import Tensor
from torch.utils.data import Dataset

from tasks.dataset_folder import image_path
from tasks.errors import BadSpec
from tasks.records import LabelledImage

PAD_VALUE = 114
SMALLEST_SIDE = 1.0
"""Boxes that augmentation leaves with a shorter side, in pixels, are no targets (as in super-gradients)."""
CACHE_SHARE = 0.25
"""Share of the free memory that decoded pictures may fill; the rest is decoded again when its turn comes."""


def scale_factor(image: LabelledImage, size: int) -> float:
    """Pixels of the network input per pixel of the picture."""
    return size / max(image.width, image.height)


class PictureFolder:
    """Pictures of one split, decoded and scaled to the network input's longest side; uint8 RGB ``[h, w, 3]``."""

    def __init__(self, folder: Path, images: Sequence[LabelledImage], size: int) -> None:
        self.folder = folder
        self.images = images
        self.size = size
        self._cache: dict[int, np.ndarray] = {}

    def fill_cache(self, threads: int, on_picture: Callable[[], None] = lambda: None) -> int:
        """Decode as many pictures as the memory share holds, and say how many."""
        fitting = int(psutil.virtual_memory().available * CACHE_SHARE / (self.size * self.size * 3))
        indices = range(min(fitting, len(self.images)))
        with ThreadPoolExecutor(threads) as pool:
            for index, picture in zip(indices, pool.map(self._decode, indices), strict=True):
                self._cache[index] = picture
                on_picture()
        return len(self._cache)

    def picture(self, index: int) -> np.ndarray:
        """One picture; not to be written to."""
        return self._cache[index] if index in self._cache else self._decode(index)

    def sample(self, index: int) -> DetectionSample:
        """One picture with its boxes, as super-gradients' transforms take it."""
        image = self.images[index]
        boxes = np.array([box[1:] for box in image.boxes], dtype=np.float32).reshape(-1, 4)
        return DetectionSample(
            image=self.picture(index),
            bboxes_xyxy=boxes * scale_factor(image, self.size),
            labels=np.array([box.class_index for box in image.boxes], dtype=np.float32),
        )

    def _decode(self, index: int) -> np.ndarray:
        image = self.images[index]
        path = image_path(self.folder, image)
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is None or pixels.shape[:2] != (image.height, image.width):
            got = "no picture" if pixels is None else f"{pixels.shape[1]} x {pixels.shape[0]} pixels"
            raise BadSpec(
                f"{path} ({image.file_name}): {got}, the snapshot says {image.width} x {image.height}; "
                "empty the dataset folder and run again"
            )
        factor = scale_factor(image, self.size)
        width, height = max(1, round(image.width * factor)), max(1, round(image.height * factor))
        shrinking = factor < 1
        scaled = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
        return np.ascontiguousarray(scaled[..., ::-1])


class PlainPictures(Dataset[tuple[Tensor, Tensor, int]]):
    """Pictures as they are, asked for by index."""

    def __init__(self, pictures: PictureFolder) -> None:
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        """The same as of TrainingPictures."""
        return *as_tensors(self.pictures.sample(index), self.pictures.size), index


def as_tensors(sample: DetectionSample, size: int) -> tuple[Tensor, Tensor]:
    """Pad a sample to ``size``, and turn it into a picture ``[3, S, S]`` uint8 and targets ``[n, 5]``."""
    sample = DetectionPadIfNeeded(size, size, PAD_VALUE, "bottom_right").apply_to_sample(sample)
    corners = torch.from_numpy(np.asarray(sample.bboxes_xyxy, dtype=np.float32))
    sides = corners[:, 2:] - corners[:, :2]
    labels = torch.from_numpy(np.asarray(sample.labels, dtype=np.float32))[:, None]
    targets = torch.cat([labels, corners[:, :2] + sides / 2, sides], dim=1)
    picture = torch.from_numpy(np.ascontiguousarray(sample.image.transpose(2, 0, 1)))
    return picture, targets[sides.amin(dim=1) > SMALLEST_SIDE]
