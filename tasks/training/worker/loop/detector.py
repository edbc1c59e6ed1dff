"""Detecting with a run's weights: once over splits, and repeatedly to measure the speed."""

import itertools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from tasks.records import DatasetSnapshot, Speed, Split
from tasks.training.worker.data.datasets import PlainImages
from tasks.training.worker.data.images import ImageFolder
from tasks.training.worker.data.loaders import Batch, collate, plain_loader
from tasks.training.worker.loop.latency import measure_speed
from tasks.training.worker.loop.validation import SplitLoader, as_fp32, run_over_split
from tasks.training.worker.model.network import build_network
from tasks.training.worker.model.postprocess import Detection, select_boxes
from tasks.training.worker.model.weights import load_all
from tasks.training.worker.runtime.device import Computer, choose_device, make_computer
from tasks.training.worker.runtime.distributed import ProcessGroup
from tasks.training.worker.runtime.process import PRECISIONS, Precision

BATCH_SIZE = 16


@dataclass(frozen=True)
class Detector:
    """A network with a run's weights, on the device."""

    weights: Path
    network: nn.Module
    computer: Computer
    size: int
    """Side of the network input in pixels."""

    @classmethod
    def load(cls, weights: Path, metadata: dict[str, str], classes: int, precision: Precision | None) -> "Detector":
        """Load a weights file, to compute as training does on this machine.

        Args:
            weights: The file.
            metadata: Its metadata.
            classes: Number of classes.
            precision: Number format; None for what the device computes fastest.

        Returns:
            The detector.

        Raises:
            BadWeights: the file does not fit the network that its metadata name.
        """
        network = build_network(metadata["variant"], classes)
        load_all(network, weights)
        computer = make_computer(choose_device(precision))
        network = computer.fabric.to_device(network).to(memory_format=computer.device.memory_format)
        return cls(weights, network.eval(), computer, int(metadata["image_size"]))

    def detect_splits(
        self, snapshot: DatasetSnapshot, data: Path, splits: Iterable[Split], on_batch: Callable[[int, int], None]
    ) -> dict[Split, list[Detection]]:
        """Detect on splits.

        Args:
            snapshot: Its splits that are named must have images.
            data: Dataset folder of the snapshot.
            splits: Names of the splits.
            on_batch: Called with batches done and batches in all, over all splits.

        Returns:
            Detections by split.
        """
        images = {split: self.images(snapshot, data, split) for split in splits}
        workers = min(8, (os.cpu_count() or 1) - 1) if self.computer.device.accelerator == "cuda" else 0
        loaders = {
            split: SplitLoader(plain_loader(plain, BATCH_SIZE, workers), plain.folder.images, self.size)
            for split, plain in images.items()
        }
        batches = sum(len(loader.batches) for loader in loaders.values())
        done = itertools.count(1)
        process_group = ProcessGroup(self.computer.fabric)

        def count_batch(*_: int) -> None:
            on_batch(next(done), batches)

        return {
            split: run_over_split(loader, self.network, self.computer, process_group, on_batch=count_batch).detections
            for split, loader in loaders.items()
        }

    def speed(self, images: PlainImages, before_round: Callable[[], None]) -> Speed:
        """Measure how fast this network is as it was trained, without fusing convolutions.

        It times the network and the selection of its boxes, from images on the device to boxes on the device.

        Args:
            images: The first ones are used again and again.
            before_round: Called between rounds; may raise.
        """
        ready = self.computer.images(first_batch(images).images)
        starts = itertools.count()

        def detect(count: int) -> None:
            before_round()
            start = next(starts) % (BATCH_SIZE - count + 1)
            self._detect(ready[start : start + count])

        device = self.computer.device
        name = torch.cuda.get_device_name() if device.accelerator == "cuda" else device.accelerator
        return measure_speed(
            detect,
            batch=BATCH_SIZE,
            device=f"{name} {precision_name(device.precision)}",
            parameters=sum(parameter.numel() for parameter in self.network.parameters()),
            file_bytes=self.weights.stat().st_size,
        )

    def images(self, snapshot: DatasetSnapshot, data: Path, split: Split) -> PlainImages:
        """A split's images, in order and scaled for this network.

        Args:
            snapshot: Has images in the split.
            data: Dataset folder of the snapshot.
            split: Name of the split.

        Returns:
            The images, without augmentation.
        """
        return PlainImages(ImageFolder(data, snapshot.of_split(split), self.size))

    @torch.no_grad()
    def _detect(self, images: Tensor) -> None:
        """Detect on ``[B, 3, S, S]`` fp32 in [0, 1], and wait for the device."""
        with self.computer.fabric.autocast():
            outputs = self.network(images)
        select_boxes(as_fp32(outputs))
        if self.computer.device.accelerator == "cuda":
            torch.cuda.synchronize()


def first_batch(images: PlainImages) -> Batch:
    """A batch of the first images; where there are fewer, they repeat."""
    return collate([images[number % len(images)] for number in range(BATCH_SIZE)])


def precision_name(precision: Precision) -> str:
    """Nasflow's name of a number format, such as ``bf16``."""
    return next(name for name, value in PRECISIONS.items() if value == precision)
