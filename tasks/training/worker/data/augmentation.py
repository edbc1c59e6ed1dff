"""Random changes of training images, each a function of (seed, epoch, image) alone."""

import random
from collections.abc import Sequence

import cv2
import numpy as np

from tasks import records
from tasks.images.network_input import PAD_VALUE
from tasks.training.worker.data.images import ImageFolder
from tasks.training.worker.super_gradients_parts import (
    AbstractDetectionTransform,
    DetectionHorizontalFlip,
    DetectionHSV,
    DetectionMixup,
    DetectionMosaic,
    DetectionRandomAffine,
    DetectionSample,
)


class Augmentation:
    """Random changes of training images: super-gradients' transforms, with ranges of its recipes.

    Args:
        preset: Which transforms; each preset has those of the one before it, and more.
        size: Side of the network input in pixels.
    """

    def __init__(self, preset: records.Augmentation, size: int) -> None:
        self._transforms = make_transforms(preset, size)

    def __call__(self, folder: ImageFolder, index: int, seed: Sequence[int]) -> DetectionSample:
        """Augment one image.

        Args:
            folder: The split; mosaics and mixups take more of its images.
            index: Which image.
            seed: The same seed gives the same change, whatever ran before, in any process.

        Returns:
            The image uint8 RGB ``[h, w, 3]`` with its boxes; padding is still to be added.
        """
        sample, indices = folder.sample(index), range(len(folder.images))
        # The transforms draw from the global generators, so these have to be seeded.
        state = np.random.SeedSequence(list(seed)).generate_state(2)
        random.seed(int(state[0]))
        np.random.seed(int(state[1]))
        for transform in self._transforms:
            others = range(transform.get_number_of_additional_samples())
            sample.additional_samples = [folder.sample(random.choice(indices)) for _ in others]  # noqa: S311
            sample = transform.apply_to_sample(sample)
        return sample


def make_transforms(preset: records.Augmentation, size: int) -> list[AbstractDetectionTransform]:
    """Make the transforms of a preset, in order.

    HSV, flip, scales, the filter of boxes, and mixup are those of super-gradients 3.7.1,
    ``recipes/dataset_params/coco_detection_yolo_nas_dataset_params.yaml``; mosaic and ``translate`` (0.1, there 0.25)
    those of ``roboflow_detection_dataset_params.yaml`` beside it. What presets do was measured in decision 0030.

    Args:
        preset: none, light, standard or strong.
        size: Side of the network input in pixels.

    Returns:
        Transforms of detection samples.
    """
    hsv = TableHSV(prob=0.5, hgain=18, sgain=30, vgain=30, bgr_channels=(2, 1, 0))
    flip = DetectionHorizontalFlip(prob=0.5)
    if preset == "none":
        return []
    if preset == "light":
        return [hsv, flip]
    affine = DetectionRandomAffine(
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
        return [affine, hsv, flip]
    mosaic = DetectionMosaic(input_dim=(size, size), prob=1.0, border_value=PAD_VALUE)
    mixup = DetectionMixup(input_dim=(size, size), mixup_scale=(0.5, 1.5), prob=0.5, border_value=PAD_VALUE)
    return [mosaic, affine, mixup, hsv, flip]


class TableHSV(DetectionHSV):  # type: ignore[misc]  # super-gradients has no types
    """super-gradients' change of hue, saturation and value, bit for bit, by lookup tables.

    Without tables it takes most of the time of an augmentation.
    """

    def apply_to_image(self, image: np.ndarray) -> np.ndarray:
        """Change an RGB image ``[S, S, 3]`` uint8, with the same draws from numpy's generator."""
        gains = np.random.uniform(-1, 1, 3) * [self.hgain, self.sgain, self.vgain]
        hue, saturation, value = (gains * np.random.randint(0, 2, 3)).astype(np.int16)
        levels = np.arange(256)
        table = np.stack(
            [(levels + hue) % 180, np.clip(levels + saturation, 0, 255), np.clip(levels + value, 0, 255)], axis=-1
        )
        changed = cv2.LUT(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), table.astype(np.uint8)[None])
        return np.asarray(cv2.cvtColor(changed, cv2.COLOR_HSV2RGB))
