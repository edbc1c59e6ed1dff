"""Random changes of training images, each a function of (seed, epoch, image) alone."""

import random
from collections.abc import Sequence

import cv2
import numpy as np
from super_gradients.training.samples import DetectionSample
from super_gradients.training.transforms.detection import AbstractDetectionTransform
from super_gradients.training.transforms.transforms import (
    DetectionHorizontalFlip,
    DetectionHSV,
    DetectionMixup,
    DetectionMosaic,
    DetectionRandomAffine,
)
from torch import Tensor
from torch.utils.data import Dataset

from tasks import records
from tasks.training.worker.data.images import PAD_VALUE, ImageFolder, as_tensors


class Augmentation:
    """Random changes of training images: super-gradients' transforms with its YOLO-NAS recipe's ranges.

    Args:
        preset: How much is changed; each preset does what the one before it does, and more.
        size: Side of the network input in pixels.
    """

    def __init__(self, preset: records.Augmentation, size: int) -> None:
        self._transforms = transforms(preset, size)

    def __call__(self, folder: ImageFolder, index: int, seed: Sequence[int]) -> DetectionSample:
        """An image, changed; the same seed gives the same change, whatever ran before and in which process."""
        sample, indices = folder.sample(index), range(len(folder.images))
        # The transforms draw from the global generators, so these are what has to be seeded.
        state = np.random.SeedSequence(list(seed)).generate_state(2)
        random.seed(int(state[0]))
        np.random.seed(int(state[1]))
        for transform in self._transforms:
            others = range(transform.get_number_of_additional_samples())
            sample.additional_samples = [folder.sample(random.choice(indices)) for _ in others]  # noqa: S311
            sample = transform.apply_to_sample(sample)
        return sample


def transforms(preset: records.Augmentation, size: int) -> list[AbstractDetectionTransform]:
    """The transforms of a preset, in order.

    Mosaics and mixtures are those of super-gradients' Roboflow and YOLO-NAS recipes.
    """
    colours = Colours(prob=0.5, hgain=18, sgain=30, vgain=30, bgr_channels=(2, 1, 0))
    mirror = DetectionHorizontalFlip(prob=0.5)
    if preset == "none":
        return []
    if preset == "light":
        return [colours, mirror]
    place = DetectionRandomAffine(
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
    )
    if preset == "standard":
        return [place, colours, mirror]
    mosaic = DetectionMosaic(input_dim=(size, size), prob=1.0, border_value=PAD_VALUE)
    mixture = DetectionMixup(input_dim=(size, size), mixup_scale=(0.5, 1.5), prob=0.5, border_value=PAD_VALUE)
    return [mosaic, place, mixture, colours, mirror]


class Colours(DetectionHSV):  # type: ignore[misc]  # super-gradients has no types
    """super-gradients' change of hue, saturation and value, bit for bit, by tables: its own takes most of the time."""

    def apply_to_image(self, image: np.ndarray) -> np.ndarray:
        """An RGB image ``[S, S, 3]`` uint8, changed by the same draws from numpy's generator."""
        gains = np.random.uniform(-1, 1, 3) * [self.hgain, self.sgain, self.vgain]
        hue, saturation, value = (gains * np.random.randint(0, 2, 3)).astype(np.int16)
        levels = np.arange(256)
        table = np.stack(
            [(levels + hue) % 180, np.clip(levels + saturation, 0, 255), np.clip(levels + value, 0, 255)], axis=-1
        )
        changed = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), table.astype(np.uint8)[None])
        return np.asarray(cv2.cvtColor(changed, cv2.COLOR_HSV2RGB))


class TrainingImages(Dataset[tuple[Tensor, Tensor, int]]):
    """Augmented images, asked for by (epoch, index), so that an image's change depends on nothing else."""

    def __init__(self, folder: ImageFolder, spec: records.TrainingSpec) -> None:
        self.folder = folder
        self._seed = spec.seed
        self._settles_after = spec.epochs - spec.settling_epochs
        self._augment = Augmentation(spec.augmentation, folder.size)
        # The last epochs are without mosaics and mixtures, which is all that strong has more than standard.
        settled: records.Augmentation = "standard" if spec.augmentation == "strong" else spec.augmentation
        self._settled = Augmentation(settled, folder.size)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, int]:
        """Image ``[3, S, S]`` uint8, targets ``[n, 5]``: class, cx, cy, w, h in pixels, and the index."""
        epoch, index = key
        augment = self._augment if epoch <= self._settles_after else self._settled
        sample = augment(self.folder, index, (self._seed, epoch, index))
        return *as_tensors(sample, self.folder.size), index
