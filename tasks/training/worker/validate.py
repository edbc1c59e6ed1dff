"""One pass over a split with fixed weights: losses, detections, scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tasks.records import LabelledImage
from tasks.training.worker.detections import Detection, detections_of
from tasks.training.worker.device import Device
from tasks.training.worker.pictures import Batch

LOSS_PARTS = ("class", "iou", "dfl", "total")
"""Order of the parts that super-gradients' PPYoloELoss reports."""


@dataclass(frozen=True)
class Pass:
    """What a pass over a split gave."""

    detections: list[Detection]
    losses: dict[str, float]
    """Means over the batches; empty without a loss."""


def move(pictures: Tensor, fabric: Fabric, device: Device) -> Tensor:
    """Pictures on the device in its memory layout."""
    on_device: Tensor = fabric.to_device(pictures)
    return on_device.contiguous(memory_format=device.memory_format)


@torch.no_grad()
def run_over(
    loader: DataLoader[Any],
    network: nn.Module,
    images: Sequence[LabelledImage],
    *,
    size: int,
    fabric: Fabric,
    device: Device,
    loss: nn.Module | None = None,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Pass:
    """Detect on every picture of ``loader``; with ``loss``, measure it too."""
    network.eval()
    found: list[Detection] = []
    sums = torch.zeros(len(LOSS_PARTS), dtype=torch.float64)
    for done, batch in enumerate(loader, start=1):
        outputs = forward(network, batch, fabric, device)
        found += detections_of(outputs, batch.indices, images, size)
        if loss is not None:
            sums += loss(outputs, fabric.to_device(batch.targets))[1].double().cpu()
        on_batch(done, len(loader))
    means = (sums / max(1, len(loader))).tolist() if loss is not None else []
    return Pass(found, dict(zip(LOSS_PARTS, means, strict=False)))


def forward(network: nn.Module, batch: Batch, fabric: Fabric, device: Device) -> Any:
    """The network's outputs in fp32, whatever it computes in."""
    with fabric.autocast():
        outputs = network(move(batch.pictures, fabric, device))
    return as_fp32(outputs)


def as_fp32(value: Any) -> Any:
    """Nested tuples and lists of tensors, with half-precision tensors made fp32."""
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, tuple | list):
        return type(value)(as_fp32(part) for part in value)
    return value
