"""Which pictures go into which batch, in what order, and how they get there."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler


@dataclass(frozen=True)
class Batch:
    """Pictures ``[B, 3, S, S]`` RGB in [0, 1]; targets ``[T, 6]``: picture, class, cx, cy, w, h in pixels."""

    pictures: Tensor
    targets: Tensor
    indices: list[int]
    """Which picture of the split each one is."""


def collate(samples: list[tuple[Tensor, Tensor, int]]) -> Batch:
    """Put samples together."""
    pictures, targets, indices = zip(*samples, strict=True)
    rows = [torch.cat([torch.full((len(t), 1), float(i)), t], dim=1) for i, t in enumerate(targets)]
    return Batch(torch.stack(pictures).float().div_(255), torch.cat(rows), list(indices))


class EpochBatches(Sampler[list[Any]]):
    """The batches of one epoch in an order that depends on seed and epoch alone, from one batch on."""

    def __init__(self, count: int, batch_size: int, seed: int, epoch: int, first_step: int = 0) -> None:
        generator = torch.Generator().manual_seed(int(np.random.SeedSequence([seed, epoch]).generate_state(1)[0]))
        order = torch.randperm(count, generator=generator).tolist()
        batches = [order[start : start + batch_size] for start in range(0, count, batch_size)]
        self._batches = [[(epoch, index) for index in batch] for batch in batches[first_step:]]

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[list[Any]]:
        return iter(self._batches)


def training_loader(dataset: TrainingPictures, batches: EpochBatches, workers: int) -> DataLoader[Any]:
    """Loader of one epoch's batches."""
    return DataLoader(dataset, batch_sampler=batches, **_loading(workers))


def plain_loader(dataset: PlainPictures, batch_size: int, workers: int) -> DataLoader[Any]:
    """Loader of a split in order."""
    return DataLoader(dataset, batch_size=batch_size, **_loading(workers))


def _loading(workers: int) -> dict[str, Any]:
    # A generator of its own: starting a loader, as a resumed epoch does once more, draws nothing from the run's.
    generator = torch.Generator().manual_seed(0)
    return {"collate_fn": collate, "num_workers": workers, "pin_memory": workers > 0, "generator": generator}
