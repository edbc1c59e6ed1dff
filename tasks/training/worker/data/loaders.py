"""Which images go into which batch, in what order, in what pieces, and how they get there."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

from tasks.training.worker.data.augmentation import TrainingImages
from tasks.training.worker.data.images import PlainImages

VALIDATED_AT_ONCE = 4
"""Micro-batches that validation takes as one batch: it keeps nothing for gradients, and larger batches are faster."""


@dataclass(frozen=True)
class Batch:
    """Images ``[B, 3, S, S]`` uint8 RGB; targets ``[T, 6]``: image, class, cx, cy, w, h in pixels."""

    images: Tensor
    targets: Tensor
    indices: list[int]
    """Which image of the split each one is."""


def collate(samples: list[tuple[Tensor, Tensor, int]]) -> Batch:
    """Put samples together."""
    images, targets, indices = zip(*samples, strict=True)
    rows = [torch.cat([torch.full((len(t), 1), float(i)), t], dim=1) for i, t in enumerate(targets)]
    return Batch(torch.stack(images), torch.cat(rows), list(indices))


@dataclass(frozen=True)
class MicroBatch:
    """What one device takes at a time."""

    indices: list[int]
    counts: bool = True
    """False for a device that has no image of a step left: it takes another's, to stay in step, without weight."""


@dataclass(frozen=True)
class StepPlan:
    """What one device takes for one step of the optimiser; on all devices as many micro-batches."""

    micro_batches: list[MicroBatch]
    image_count: int
    """Of the whole step, on all devices."""


def divided(batch: list[int], micro_batch: int, rank: int = 0, devices: int = 1) -> StepPlan:
    """Share a batch among devices, and each share into micro-batches of nearly the same size.

    Args:
        batch: Indices of its images.
        micro_batch: Most images that a device takes at a time.
        rank: Which device, from 0.
        devices: How many there are.
    """
    share = batch[rank::devices]
    count = math.ceil(math.ceil(len(batch) / devices) / micro_batch)
    pieces = [share[number::count] for number in range(count)]
    return StepPlan(
        [MicroBatch(piece) if piece else MicroBatch(batch[:1], counts=False) for piece in pieces], len(batch)
    )


class EpochBatches(Sampler[list[Any]]):
    """The steps of one epoch in an order that depends on seed and epoch alone, from one step on.

    A sampler of micro-batches: their keys are (epoch, index).

    Args:
        count: Images of the split.
        batch_size: Images of a step, on all devices.
        seed: The run's.
        epoch: From 1.
        first_step: Steps that are done already.
        micro_batch: Most images that a device takes at a time; None for a whole batch.
        rank: Which device, from 0.
        devices: How many there are.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        seed: int,
        epoch: int,
        first_step: int = 0,
        *,
        micro_batch: int | None = None,
        rank: int = 0,
        devices: int = 1,
    ) -> None:
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
        order = torch.randperm(count, generator=generator).tolist()
        batches = [order[start : start + batch_size] for start in range(0, count, batch_size)]
        self.steps = [divided(batch, micro_batch or batch_size, rank, devices) for batch in batches[first_step:]]
        self._keys = [
            [(epoch, index) for index in micro.indices] for step in self.steps for micro in step.micro_batches
        ]

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[list[Any]]:
        return iter(self._keys)


def training_loader(dataset: TrainingImages, batches: EpochBatches, workers: int) -> DataLoader[Any]:
    """Loader of one epoch's micro-batches."""
    return DataLoader(dataset, batch_sampler=batches, **_loading(workers, ready=2))


def plain_loader(
    dataset: PlainImages, batch_size: int, workers: int, rank: int = 0, devices: int = 1
) -> DataLoader[Any]:
    """Loader of a split in order; of several devices each takes whole batches by turns."""
    indices = range(len(dataset))
    batches = [list(indices[start : start + batch_size]) for start in range(0, len(indices), batch_size)]
    return DataLoader(dataset, batch_sampler=batches[rank::devices], **_loading(workers, ready=1))


def _loading(workers: int, *, ready: int) -> dict[str, Any]:
    """From processes, each with so many batches ``ready`` in shared memory: fewer where they are larger."""
    # A generator of its own: starting a loader, as a resumed epoch does once more, draws nothing from the run's.
    generator = torch.Generator().manual_seed(0)
    return {
        "collate_fn": collate, "num_workers": workers, "generator": generator,
        "prefetch_factor": ready if workers else None, "pin_memory": workers > 0 and torch.cuda.is_available(),
    }  # fmt: skip
