"""Training images per second on one CPU core: our loader, and super-gradients' on the same files.

Run it with ``python -m tests.benchmarks.bench_loader``. All run in this process on one thread, in turn, with the same
augmentation, up to the batches of their loaders: ours are uint8, and become fp32 in [0, 1] on the device,
super-gradients' are fp32. If the device is the CPU, the lines with fp32 are the ones to compare. The limit is the time
that reading and scaling the files takes alone.
"""

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Sized
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.local import dataset_folder
from tasks.local.files import file_sha256
from tasks.records import DatasetSnapshot, LabelledImage, LabelSource
from tasks.training.worker.runtime.process import quiet_libraries
from tests.benchmarks.peers.images import draw_object
from tests.fakes.datasets import CLASSES, make_spec

if TYPE_CHECKING:
    from torch import Tensor

Epoch = Callable[[], Iterable[Sized]]
"""Makes the batches of an epoch."""

IMAGES, WIDTH, HEIGHT, OBJECTS, SIZE, BATCH, ROUNDS = 64, 1280, 960, 5, 640, 8, 3
MIN_SPEEDUP = 3.0
"""Target: images per second compared with super-gradients', with images in the cache and preset standard."""


def write_images(folder: Path) -> DatasetSnapshot:
    """Write JPEGs of discs and squares on noise like clouds, as a dataset folder and with COCO labels."""
    import cv2
    import numpy as np

    rng = np.random.default_rng(0)
    (folder / "data" / "images").mkdir(parents=True)
    images = []
    for number in range(IMAGES):
        small = rng.integers(60, 200, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8)
        pixels = cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        boxes = []
        for place in range(OBJECTS):
            side = int(rng.integers(60, 300))
            x, y = int(rng.integers(WIDTH - side)), int(rng.integers(HEIGHT - side))
            colour = tuple(int(part) for part in rng.integers(0, 256, 3))
            boxes.append(draw_object(pixels, place, x, y, side, colour))
        path = folder / f"{number}.jpg"
        cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
        images.append(
            LabelledImage(
                file_name=path.name, split="train", sha256=file_sha256(path), size=path.stat().st_size, width=WIDTH,
                height=HEIGHT, boxes=tuple(boxes),
            )
        )  # fmt: skip
    snapshot = DatasetSnapshot(classes=CLASSES, images=tuple(images), source=LabelSource(kind="file", name="drawn"))
    dataset_folder.fill(folder / "data", snapshot, lambda image, path: os.link(folder / image.file_name, path))
    (folder / "coco.json").write_text(json.dumps(as_coco(snapshot)))
    return snapshot


def as_coco(snapshot: DatasetSnapshot) -> dict:
    images = [
        {"id": number, "file_name": image.file_name, "width": image.width, "height": image.height}
        for number, image in enumerate(snapshot.images)
    ]
    boxes = [(number, box) for number, image in enumerate(snapshot.images) for box in image.boxes]
    annotations = [
        {
            "id": number, "image_id": image, "category_id": box.class_index, "iscrowd": 0,
            "bbox": [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1],
        }
        for number, (image, box) in enumerate(boxes)
    ]  # fmt: skip
    categories = [{"id": number, "name": name} for number, name in enumerate(snapshot.classes)]
    return {"images": images, "categories": categories, "annotations": annotations}


def decode_and_scale(folder: Path) -> Epoch:
    """Make an epoch that only reads and scales each file."""
    import cv2

    def epoch() -> Iterable[Sized]:
        for number in range(IMAGES):
            pixels = cv2.imread(str(folder / f"{number}.jpg"))
            yield [cv2.resize(pixels, (SIZE, SIZE * HEIGHT // WIDTH), interpolation=cv2.INTER_AREA)]

    return epoch


class Ours:
    """Our loader with one preset."""

    def __init__(self, folder: Path, snapshot: DatasetSnapshot, preset: str) -> None:
        self.folder, self.snapshot, self.epoch = folder, snapshot, 1
        self.spec = make_spec(snapshot, epochs=1000, image_size=SIZE, batch_size=BATCH, augmentation=preset)

    def first_epoch(self) -> "Iterable[Tensor]":
        """Decode into an empty cache, and load the first epoch."""
        from tasks.training.worker.data.datasets import TrainingImages
        from tasks.training.worker.data.images import ImageFolder

        images = ImageFolder(self.folder / "data", self.snapshot.images, SIZE)
        images.fill_cache(1, self.folder)
        self.dataset = TrainingImages(images, self.spec)
        return self.later_epoch()

    def later_epoch(self) -> "Iterable[Tensor]":
        """Load one of the following epochs."""
        from tasks.training.worker.data.loaders import BatchPlan, EpochBatches, training_loader

        self.epoch += 1
        batches = EpochBatches(BatchPlan(IMAGES, BATCH, self.spec.seed), self.epoch)
        for batch in training_loader(self.dataset, batches, workers=0):
            yield batch.images

    def later_epoch_as_fp32(self) -> "Iterable[Tensor]":
        """Load one of the following epochs, and make it fp32 as the device does."""
        for images in self.later_epoch():
            yield images.float().div_(255)


def super_gradients(folder: Path, preset: str) -> Epoch:
    """Make an epoch of its COCO dataset, with the transforms of its YOLO-NAS recipe and our ranges."""
    from super_gradients.training.datasets.detection_datasets.coco_format_detection import COCOFormatDetectionDataset
    from super_gradients.training.transforms import transforms as sg
    from super_gradients.training.utils.collate_fn import DetectionCollateFN
    from torch.utils.data import DataLoader

    mosaic, mixup = [], []
    if preset == "strong":
        mosaic = [sg.DetectionMosaic(input_dim=(SIZE, SIZE), prob=1.0)]
        mixup = [sg.DetectionMixup(input_dim=(SIZE, SIZE), mixup_scale=(0.5, 1.5), prob=0.5)]
    affine = sg.DetectionRandomAffine(
        degrees=0.0, translate=0.1, scales=(0.5, 1.5), shear=0.0, target_size=(SIZE, SIZE),
        filter_box_candidates=True, wh_thr=2, area_thr=0.1, ar_thr=20,
    )  # fmt: skip
    dataset = COCOFormatDetectionDataset(
        data_dir=str(folder), json_annotation_file="coco.json", images_dir="", input_dim=(SIZE, SIZE),
        ignore_empty_annotations=True, with_crowd=False, verbose=False,
        transforms=[
            *mosaic, affine, *mixup, sg.DetectionHSV(prob=0.5, hgain=18, sgain=30, vgain=30),
            sg.DetectionHorizontalFlip(prob=0.5), sg.DetectionPaddedRescale(input_dim=(SIZE, SIZE)),
            sg.DetectionStandardize(max_value=255.0), sg.DetectionTargetsFormatTransform(input_dim=(SIZE, SIZE)),
        ],
    )  # fmt: skip
    loader = DataLoader(dataset, BATCH, shuffle=True, drop_last=True, num_workers=0, collate_fn=DetectionCollateFN())
    return lambda: (images for images, _ in loader)


def images_per_second(epoch: Epoch) -> float:
    """Measure the images per second of one epoch."""
    start = time.perf_counter()
    count = sum(len(batch) for batch in epoch())
    seconds = time.perf_counter() - start
    assert count == IMAGES
    return count / seconds


def compare(folder: Path) -> dict[str, float]:
    """Measure images per second: medians over rounds in which all run in turn."""
    snapshot = write_images(folder)
    contestants: dict[str, Epoch] = {"decode and scale alone": decode_and_scale(folder)}
    for preset in ("standard", "strong"):
        ours = Ours(folder, snapshot, preset)
        contestants |= {
            f"{preset}: nasflow, first epoch": ours.first_epoch,
            f"{preset}: nasflow, later epochs": ours.later_epoch,
            f"{preset}: nasflow, later, fp32": ours.later_epoch_as_fp32,
            f"{preset}: super-gradients": super_gradients(folder, preset),
        }
    for epoch in contestants.values():
        images_per_second(epoch)
    rounds = [{name: images_per_second(epoch) for name, epoch in contestants.items()} for _ in range(ROUNDS)]
    return {name: statistics.median(rates[name] for rates in rounds) for name in contestants}


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        quiet_libraries(Path(name))
        import cv2
        import torch

        from tasks.training.worker.runtime.device import machine_name

        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        print(f"{machine_name()}, one thread; load {os.getloadavg()[0]:.2f} at the start")
        rates = compare(Path(name))
        load = os.getloadavg()[0]
    print(f"{IMAGES} JPEGs of {WIDTH} x {HEIGHT} to {SIZE}, batch {BATCH}; medians of {ROUNDS} rounds; load {load:.2f}")
    for contestant, rate in rates.items():
        preset = contestant.partition(":")[0]
        peer_rate = rates.get(f"{preset}: super-gradients")
        speedup = f"{rate / peer_rate:6.2f} x super-gradients" if peer_rate else ""
        print(f"{contestant:32s} {rate:7.1f} images/s {1000 / rate:7.2f} ms each {speedup}")
    ratio = rates["standard: nasflow, later epochs"] / rates["standard: super-gradients"]
    verdict = "met" if ratio >= MIN_SPEEDUP else "MISSED"
    print(f"target {MIN_SPEEDUP:g} x super-gradients in later epochs of standard: {ratio:.2f}, {verdict}")


if __name__ == "__main__":
    main()
