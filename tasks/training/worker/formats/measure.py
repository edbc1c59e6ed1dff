"""Measuring files against the trained network on the images of a split, all of them in one pass."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from tasks import metrics
from tasks.records import Agreement, DatasetSnapshot, LabelledImage, Split
from tasks.training.worker.data.datasets import PlainImages
from tasks.training.worker.data.images import ImageFolder
from tasks.training.worker.data.loaders import plain_loader
from tasks.training.worker.formats.agreement import Differences
from tasks.training.worker.formats.network import Detect, TrainedNetwork, detect_with
from tasks.training.worker.model.postprocess import Detection, rows_to_detections

MAX_IMAGES = 300
"""Each image is computed once for each file on the processor. Equal networks are equal on the first image."""
BATCH_SIZE = 8

Failures = dict[str, str]
"""Why a file could not be used, by format."""


def images_to_measure(snapshot: DatasetSnapshot, split: Split) -> tuple[LabelledImage, ...]:
    """The first images of a split, those with boxes before background images."""
    return tuple(sorted(snapshot.of_split(split), key=lambda image: not image.boxes)[:MAX_IMAGES])


def measure(
    trained: TrainedNetwork,
    files: Mapping[str, Detect],
    data: Path,
    images: Sequence[LabelledImage],
    on_batch: Callable[[], None] = lambda: None,
) -> tuple[dict[str, Agreement], Failures]:
    """Compare the detections of files with those of the trained network.

    Args:
        trained: The trained network.
        files: How a file detects, by format.
        data: The dataset folder.
        images: Images to detect on; some have boxes.
        on_batch: Called after each batch; may raise.

    Returns:
        How each file agrees, and why a file could not be used.
    """
    expected_detect = detect_with(trained.network)
    running, failures = dict(files), Failures()
    differences = {name: Differences() for name in files}
    detections: dict[str, list[Detection]] = {name: [] for name in (*files, "")}
    batches: DataLoader[Any] = plain_loader(PlainImages(ImageFolder(data, images, trained.size)), BATCH_SIZE, 0)
    for batch in batches:
        pixels = batch.images.float() / 255
        expected = expected_detect(pixels)
        found = {"": expected}
        for name, detect in list(running.items()):
            try:
                found[name] = detect(pixels)
            except Exception as error:  # noqa: BLE001, any fault of a file is a reason not to publish it
                failures[name] = f"it cannot be run: {first_line(error)}"
                del running[name]
        for name, rows_of_images in found.items():
            for index, rows, expected_rows in zip(batch.indices, rows_of_images, expected, strict=True):
                detections[name] += rows_to_detections(rows, index, images[index], trained.size)
                if name:
                    differences[name].add(rows, expected_rows)
        on_batch()
    ground_truth = metrics.coco_ground_truth(images, trained.classes)
    maps = {name: metrics.score(ground_truth, detections[name]).map for name in (*running, "")}
    return {name: differences[name].agreement(maps[name], maps[""]) for name in running}, failures


def first_line(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"
