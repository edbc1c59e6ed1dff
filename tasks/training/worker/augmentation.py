"""Random changes of training pictures, each a function of (seed, epoch, picture) alone."""

import random
from collections.abc import Sequence

import numpy as np
from super_gradients.training.samples import DetectionSample
from super_gradients.training.transforms.transforms import (
    DetectionHorizontalFlip,
    DetectionHSV,
    DetectionRandomAffine,
)
from torch import Tensor
from torch.utils.data import Dataset

from tasks.records import TrainingSpec
from tasks.training.worker.pictures import PAD_VALUE, PictureFolder, as_tensors


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

    def __init__(self, pictures: PictureFolder, spec: TrainingSpec) -> None:
        self.pictures = pictures
        self._seed = spec.seed
        self._augment = Augmentation(pictures.size)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor, int]:
        """Picture ``[3, S, S]`` uint8, targets ``[n, 5]``: class, cx, cy, w, h in pixels, and the index."""
        epoch, index = key
        sample = self._augment(self.pictures.sample(index), (self._seed, epoch, index))
        return *as_tensors(sample, self.pictures.size), index
