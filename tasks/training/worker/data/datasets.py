"""Images of a split as torch data sets: as they are, or augmented for training.

Both give an image ``[3, S, S]`` uint8 RGB, its targets ``[n, 5]`` (class, cx, cy, w, h in pixels), and its index.
"""

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from tasks import records
from tasks.images.network_input import PAD_VALUE
from tasks.training.worker.data.augmentation import Augmentation
from tasks.training.worker.data.images import ImageFolder
from tasks.training.worker.super_gradients_parts import DetectionSample

MIN_SIDE = 1.0
"""Boxes that augmentation leaves with a side of this length in pixels, or a shorter one, are dropped, as by
``DetectionTargetsFormatTransform`` of super-gradients 3.7.1 (``min_bbox_edge_size``)."""


class PlainImages(Dataset[tuple[Tensor, Tensor, int]]):
    """Images as they are, by index."""

    def __init__(self, folder: ImageFolder) -> None:
        self.folder = folder

    def __len__(self) -> int:
        return len(self.folder.images)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, int]:
        """Give image, targets and index."""
        return *as_tensors(self.folder.sample(index), self.folder.size), index


class TrainingImages(Dataset[tuple[Tensor, Tensor, int]]):
    """Augmented images by (epoch, index), so that the augmentation of an image depends on nothing else.

    Args:
        folder: The split.
        spec: The run, for its seed and augmentation.
    """

    def __init__(self, folder: ImageFolder, spec: records.TrainingSpec) -> None:
        self.folder = folder
        self._seed = spec.seed
        self._last_strong_epoch = spec.epochs - spec.settling_epochs
        self._augment = Augmentation(spec.augmentation, folder.size)
        # The last epochs have no mosaic and no mixup: that is what strong has beyond standard.
        last_preset: records.Augmentation = "standard" if spec.augmentation == "strong" else spec.augmentation
        self._augment_last_epochs = Augmentation(last_preset, folder.size)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, int]:
        """Give image, targets and index, for (epoch, index)."""
        epoch, index = key
        augment = self._augment if epoch <= self._last_strong_epoch else self._augment_last_epochs
        sample = augment(self.folder, index, (self._seed, epoch, index))
        return *as_tensors(sample, self.folder.size), index


def as_tensors(sample: DetectionSample, size: int) -> tuple[Tensor, Tensor]:
    """Pad a sample to ``size``, and make it an image ``[3, S, S]`` uint8 and targets ``[n, 5]``."""
    corners = torch.from_numpy(np.asarray(sample.bboxes_xyxy, dtype=np.float32))
    sides = corners[:, 2:] - corners[:, :2]
    labels = torch.from_numpy(np.asarray(sample.labels, dtype=np.float32))[:, None]
    targets = torch.cat([labels, corners[:, :2] + sides / 2, sides], dim=1)
    return torch.from_numpy(_padded(sample.image, size)), targets[sides.amin(dim=1) > MIN_SIDE]


def _padded(image: np.ndarray, size: int) -> np.ndarray:
    """``[h, w, 3]`` to ``[3, S, S]``; OpenCV splits the channels ten times as fast as numpy."""
    if image.strides[1] < 0:  # super-gradients flips without moving a byte, which makes every copy slow
        image = cv2.flip(image[:, ::-1], 1)
    planes = np.full((3, size, size), PAD_VALUE, dtype=np.uint8)
    height, width = image.shape[:2]
    cv2.split(image, list(planes[:, :height, :width]))
    return planes
