"""Which images go into which batch, in what order, how a batch is divided, and the loaders."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from tasks.training.worker.data.datasets import PlainImages, TrainingImages

VALIDATION_BATCH_FACTOR = 4
"""A validation batch has so many times the images of a micro-batch: without gradients there is room for them, and
larger batches are faster."""


@dataclass(frozen=True)
class Batch:
    """Images ``[B, 3, S, S]`` uint8 RGB; targets ``[T, 6]``: image, class, cx, cy, w, h in pixels."""

    images: Tensor
    targets: Tensor
    indices: list[int]
    """Which image of the split each one is."""

    def pin_memory(self) -> "Batch":
        """Copy to memory from which a GPU takes it while the process goes on. torch's loader calls this."""
        return Batch(self.images.pin_memory(), self.targets.pin_memory(), self.indices)


def collate(samples: list[tuple[Tensor, Tensor, int]]) -> Batch:
    """Put samples of a data set together."""
    images, targets, indices = zip(*samples, strict=True)
    rows = [torch.cat([torch.full((len(t), 1), float(i)), t], dim=1) for i, t in enumerate(targets)]
    return Batch(torch.stack(images), torch.cat(rows), list(indices))


@dataclass(frozen=True)
class MicroBatch:
    """What one device takes at a time."""

    indices: list[int]
    counts: bool = True
    """False for a device without images left in this step: it takes another's to stay in step, with no weight."""


@dataclass(frozen=True)
class StepPlan:
    """What one device takes for one optimizer step; all devices take the same number of micro-batches."""

    micro_batches: list[MicroBatch]
    image_count: int
    """Images of the whole step, on all devices."""


def plan_step(batch: list[int], micro_batch: int, rank: int = 0, world_size: int = 1) -> StepPlan:
    """Divide a batch among devices, and each part into micro-batches of nearly the same size.

    Args:
        batch: Indices of its images.
        micro_batch: Maximum number of images that a device takes at a time.
        rank: Which device, from 0.
        world_size: Number of devices.

    Returns:
        The part of this device.
    """
    part = batch[rank::world_size]
    count = math.ceil(math.ceil(len(batch) / world_size) / micro_batch)
    pieces = [part[number::count] for number in range(count)]
    return StepPlan(
        [MicroBatch(piece) if piece else MicroBatch(batch[:1], counts=False) for piece in pieces], len(batch)
    )


@dataclass(frozen=True)
class BatchPlan:
    """How a run divides each epoch into batches, and batches among devices."""

    image_count: int
    """Images of the split."""
    batch_size: int
    """Images of an optimizer step, on all devices."""
    seed: int
    micro_batch: int | None = None
    """Maximum number of images that a device takes at a time; None for a whole batch."""
    rank: int = 0
    """Which device, from 0."""
    world_size: int = 1
    """Number of devices."""


class EpochBatches(Sampler[list[Any]]):
    """The steps of one epoch, in an order that depends on seed and epoch alone.

    It is a sampler of micro-batches: their keys are (epoch, index).

    Args:
        plan: How batches are made.
        epoch: From 1.
        first_step: Number of steps that are already done.
    """

    def __init__(self, plan: BatchPlan, epoch: int, first_step: int = 0) -> None:
        count, size = plan.image_count, plan.batch_size
        seed = int(np.random.SeedSequence([plan.seed, epoch]).generate_state(1)[0])
        order = torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()
        batches = [order[start : start + size] for start in range(0, count, size)]
        self.steps = [
            plan_step(batch, plan.micro_batch or size, plan.rank, plan.world_size) for batch in batches[first_step:]
        ]
        self._keys = [
            [(epoch, index) for index in micro_batch.indices]
            for step in self.steps
            for micro_batch in step.micro_batches
        ]

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[list[Any]]:
        return iter(self._keys)


def training_loader(dataset: TrainingImages, batches: EpochBatches, workers: int) -> DataLoader[Any]:
    """Make the loader of one epoch's micro-batches.

    Args:
        dataset: The images.
        batches: The epoch.
        workers: Number of processes that load; 0 to load in this one.

    Returns:
        A loader of ``Batch``.
    """
    return DataLoader(dataset, batch_sampler=batches, **_loader_options(workers, prefetch=2))


def plain_loader(
    dataset: PlainImages, batch_size: int, workers: int, rank: int = 0, world_size: int = 1
) -> DataLoader[Any]:
    """Make a loader of a split in order; of several devices each takes every n-th batch.

    Args:
        dataset: The images.
        batch_size: Images of a batch, all on one device.
        workers: Number of processes that load; 0 to load in this one.
        rank: Which device, from 0.
        world_size: Number of devices.

    Returns:
        A loader of ``Batch``.
    """
    indices = range(len(dataset))
    batches = [list(indices[start : start + batch_size]) for start in range(0, len(indices), batch_size)]
    return DataLoader(dataset, batch_sampler=batches[rank::world_size], **_loader_options(workers, prefetch=1))


def _loader_options(workers: int, *, prefetch: int) -> dict[str, Any]:
    """Each process keeps ``prefetch`` batches ready in shared memory: fewer where they are larger."""
    # A generator of its own: starting a loader, which a resumed epoch does once more, draws nothing from the run's.
    generator = torch.Generator().manual_seed(0)
    return {
        "collate_fn": collate, "num_workers": workers, "generator": generator,
        "prefetch_factor": prefetch if workers else None, "pin_memory": workers > 0 and torch.cuda.is_available(),
    }  # fmt: skip
