"""Training images that a network in int8 is calibrated on."""

from collections.abc import Callable, Iterator
from pathlib import Path

from torch import Tensor

from tasks.errors import BadSpec
from tasks.records import DatasetSnapshot, LabelledImage
from tasks.training.worker.data.datasets import PlainImages
from tasks.training.worker.data.images import ImageFolder
from tasks.training.worker.data.loaders import plain_loader

MAX_IMAGES = 32
"""Chosen; 1 to 120 images were measured in decision 0064."""
BATCH_SIZE = 1
"""Each activation is looked at, and its memory is not used again: at 640 px a batch of 4 takes 2.4 GB more."""


def images_to_calibrate_on(snapshot: DatasetSnapshot) -> tuple[LabelledImage, ...]:
    """Training images from the whole split, always the same ones."""
    images = snapshot.of_split("train")
    count = min(len(images), MAX_IMAGES)
    return tuple(images[index * len(images) // count] for index in range(count))


def batches_of(
    images: tuple[LabelledImage, ...], data: Path, size: int, on_batch: Callable[[], None] = lambda: None
) -> Iterator[Tensor]:
    """Load images as the network takes them, without augmentation.

    Args:
        images: Images to calibrate on.
        data: The dataset folder.
        size: Side of the network input in pixels.
        on_batch: Called after each batch; may raise.

    Yields:
        Images ``[B, 3, S, S]`` fp32 in [0, 1].

    Raises:
        BadSpec: there are no images.
    """
    if not images:
        raise BadSpec("there are no training images, which int8 is calibrated on")
    for batch in plain_loader(PlainImages(ImageFolder(data, images, size)), BATCH_SIZE, 0):
        yield batch.images.float() / 255
        on_batch()
