"""Pictures in, batches out: decoding, a cache of decoded pictures, augmentation and collation.

Geometry: a picture of w x h pixels is scaled by ``size / max(w, h)`` and padded right and below to size x size.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import torch
from super_gradients.training.samples import DetectionSample
from super_gradients.training.transforms.detection import DetectionPadIfNeeded
from super_gradients.training.transforms.transforms import (
    DetectionHorizontalFlip,
    DetectionHSV,
    DetectionRandomAffine,
)
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from tasks.dataset_folder import image_path
from tasks.errors import BadSpec
from tasks.records import LabelledImage

PAD_VALUE = 114
SMALLEST_SIDE = 1.0
"""Boxes that augmentation leaves with a shorter side, in pixels, are no targets (as in super-gradients)."""
CACHE_SHARE = 0.25
"""Share of the free memory that decoded pictures may fill; the rest is decoded again when its turn comes."""


@dataclass(frozen=True)
class Batch:
    """Pictures ``[B, 3, S, S]`` RGB in [0, 1]; targets ``[T, 6]``: picture, class, cx, cy, w, h in pixels."""

    pictures: Tensor
    targets: Tensor
    indices: list[int]
    """Which picture of the split each one is."""


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


class Augmentation:
    """Random changes of a training picture: super-gradients' transforms with its YOLO-NAS recipe's ranges."""

    def __init__(self, size: int) -> None:
        self._transforms = [
            DetectionRandomAffine(
                degrees=0.0,
                translate=0.1,
                scales=(0.5, 1.5),
                shear=0.0,
                target_size=(size, size),
                filter_box_candidates=True,
                wh_thr=2,
                area_thr=0.1,
                ar_thr=20,
                border_value=PAD_VALUE,
            ),
            DetectionHSV(prob=0.5, hgain=18, sgain=30, vgain=30, bgr_channels=(2, 1, 0)),
            DetectionHorizontalFlip(prob=0.5),
        ]

    def __call__(self, sample: DetectionSample, seed: Sequence[int]) -> DetectionSample:
        """Change ``sample``; the same seed gives the same change, whatever ran before and in which process."""
        # The transforms draw from the global generators, so these are what has to be seeded.
        state = np.random.SeedSequence(list(seed)).generate_state(2)
        random.seed(int(state[0]))
        np.random.seed(int(state[1]))
        for transform in self._transforms:
            sample = transform.apply_to_sample(sample)
        return sample


class TrainingPictures(Dataset[tuple[Tensor, Tensor, int]]):
    """Augmented pictures, asked for by (epoch, index), so that a picture's change depends on nothing else."""

    def __init__(self, pictures: PictureFolder, seed: int) -> None:
        self.pictures = pictures
        self._seed = seed
        self._augment = Augmentation(pictures.size)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, int]:
        """Picture ``[3, S, S]`` uint8, targets ``[n, 5]``: class, cx, cy, w, h in pixels, and the index."""
        epoch, index = key
        sample = self._augment(self.pictures.sample(index), (self._seed, epoch, index))
        return *as_tensors(sample, self.pictures.size), index


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


def collate(samples: list[tuple[Tensor, Tensor, int]]) -> Batch:
    """Put samples together."""
    pictures, targets, indices = zip(*samples, strict=True)
    rows = [torch.cat([torch.full((len(t), 1), float(i)), t], dim=1) for i, t in enumerate(targets)]
    return Batch(torch.stack(pictures).float().div_(255), torch.cat(rows), list(indices))


class EpochBatches(Sampler[list[Any]]):
    """The batches of one epoch in an order that depends on seed and epoch alone, from one batch on."""

    def __init__(self, count: int, batch_size: int, seed: int, epoch: int, first_step: int = 0) -> None:
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
        order = torch.randperm(count, generator=generator).tolist()
        batches = [order[start : start + batch_size] for start in range(0, count, batch_size)]
        self._batches = [[(epoch, index) for index in batch] for batch in batches[first_step:]]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[Any]]:
        return iter(self._batches)


def training_loader(dataset: TrainingPictures, batches: EpochBatches, workers: int) -> DataLoader[Any]:
    """Loader of one epoch's batches."""
    return DataLoader(dataset, batch_sampler=batches, **_loading(workers))


def plain_loader(dataset: PlainPictures, batch_size: int, workers: int) -> DataLoader[Any]:
    """Loader of a split in order."""
    return DataLoader(dataset, batch_size=batch_size, **_loading(workers))


def _loading(workers: int) -> dict[str, Any]:
    # A generator of its own: starting a loader, as a resumed epoch does once more, draws nothing from the run's.
    generator = torch.Generator().manual_seed(0)
    return {"collate_fn": collate, "num_workers": workers, "pin_memory": workers > 0, "generator": generator}
