"""One pass over a split with fixed weights: losses and detections."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tasks.records import LabelledImage
from tasks.training.worker.data.loaders import Batch
from tasks.training.worker.model.loss import LOSS_PARTS, loss_parts, loss_sums
from tasks.training.worker.model.postprocess import Detection, detections_of
from tasks.training.worker.runtime.device import Computer
from tasks.training.worker.runtime.distributed import ProcessGroup
from tasks.training.worker.super_gradients_parts import PPYoloELoss


@dataclass(frozen=True)
class SplitLoader:
    """A split as it goes through a network."""

    batches: DataLoader[Any]
    """From ``plain_loader``: each process has every n-th batch."""
    images: Sequence[LabelledImage]
    size: int
    """Side of the network input in pixels."""


@dataclass(frozen=True)
class SplitResult:
    """Detections and losses of a whole split."""

    detections: list[Detection]
    losses: dict[str, float]
    """As if the split were one batch; empty where none was asked for."""


@torch.no_grad()
def run_over_split(
    split: SplitLoader,
    network: nn.Module,
    computer: Computer,
    process_group: ProcessGroup,
    loss: PPYoloELoss | None = None,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> SplitResult:
    """Detect on every image of a split, and measure the loss.

    Args:
        split: The split.
        network: Its weights do not change.
        computer: The device.
        process_group: The processes that share the batches.
        loss: The loss to measure; None for detections alone.
        on_batch: Called with batches done and batches in all.

    Returns:
        The same in all processes: what a single process would get.
    """
    network.eval()
    results: list[tuple[list[Detection], Tensor]] = []
    for done, batch in enumerate(split.batches, start=1):
        outputs = forward(network, batch, computer)
        sums = torch.zeros(4)
        if loss is not None:
            parts, normalizer = loss_sums(loss, outputs, computer.to_device(batch.targets))
            sums = torch.cat([parts, normalizer[None]]).cpu()
        detections = detections_of(outputs, batch.indices, split.images, split.size)
        results.append((detections, sums.double()))
        on_batch(done, len(split.batches))
    in_order = _interleaved(process_group.all_gather(results))
    total = torch.stack([sums for _, sums in in_order]).sum(dim=0)
    return SplitResult(
        detections=[detection for detections, _ in in_order for detection in detections],
        losses=dict(zip(LOSS_PARTS, loss_parts(total[:3], total[3]), strict=True)) if loss else {},
    )


def _interleaved(lists: list[list[Any]]) -> list[Any]:
    """First items of all lists, then second ones, and so on. Later lists may be shorter by one."""
    return [items[number] for number in range(len(lists[0])) for items in lists if number < len(items)]


def forward(network: nn.Module, batch: Batch, computer: Computer) -> Any:
    """Run the network on a batch; where fp16 overflows, in fp32.

    Args:
        network: In eval mode.
        batch: Images ``[B, 3, S, S]`` uint8.
        computer: The device.

    Returns:
        The network's outputs, in fp32.
    """
    images = computer.images(batch.images)
    with computer.fabric.autocast():
        outputs = as_fp32(network(images))
    if computer.device.precision == "16-mixed" and not all_finite(outputs):
        return network(images)
    return outputs


def all_finite(value: Any) -> bool:
    """Whether nested tuples and lists of tensors hold finite numbers alone."""
    if isinstance(value, Tensor):
        return bool(torch.isfinite(value).all())
    return all(map(all_finite, value)) if isinstance(value, tuple | list) else True


def as_fp32(value: Any) -> Any:
    """Make half-precision tensors in nested tuples and lists fp32."""
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, tuple | list):
        return type(value)(as_fp32(part) for part in value)
    return value
