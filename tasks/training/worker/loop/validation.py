"""One pass over a split with fixed weights: losses and detections."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from super_gradients.training.losses import PPYoloELoss
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tasks.records import LabelledImage
from tasks.training.worker.data.loaders import Batch
from tasks.training.worker.model.loss import LOSS_PARTS, loss_parts, loss_sums
from tasks.training.worker.model.postprocess import Detection, detections_of
from tasks.training.worker.runtime.device import Computer
from tasks.training.worker.runtime.distributed import ProcessGroup


@dataclass(frozen=True)
class Pass:
    """What a pass over a split gave."""

    detections: list[Detection]
    losses: dict[str, float]
    """Of the whole split, as if it were one batch; empty without a loss."""


@torch.no_grad()
def run_over(
    loader: DataLoader[Any],
    network: nn.Module,
    images: Sequence[LabelledImage],
    *,
    size: int,
    computer: Computer,
    process_group: ProcessGroup,
    loss: PPYoloELoss | None = None,
    on_batch: Callable[[int, int], None] = lambda done, total: None,
) -> Pass:
    """Detect on every image of a split; with ``loss``, measure it too.

    The processes of the team take batches by turns (``plain_loader``); all get the same Pass, which is the one that a
    single process would get.
    """
    network.eval()
    mine: list[tuple[list[Detection], Tensor]] = []
    for done, batch in enumerate(loader, start=1):
        outputs = forward(network, batch, computer)
        sums = torch.zeros(4)
        if loss is not None:
            parts, normaliser = loss_sums(loss, outputs, computer.to_device(batch.targets))
            sums = torch.cat([parts, normaliser[None]]).cpu()
        mine.append((detections_of(outputs, batch.indices, images, size), sums.double()))
        on_batch(done, len(loader))
    by_turns = _by_turns(process_group.all_gather(mine))
    detections = [detection for found, _ in by_turns for detection in found]
    total = torch.stack([sums for _, sums in by_turns]).sum(dim=0)
    losses = dict(zip(LOSS_PARTS, loss_parts(total[:3], total[3]), strict=True)) if loss else {}
    return Pass(detections, losses)


def _by_turns(lists: list[list[Any]]) -> list[Any]:
    """First items of all lists, then second ones, and so on; later lists may be shorter by one."""
    return [items[number] for number in range(len(lists[0])) for items in lists if number < len(items)]


def forward(network: nn.Module, batch: Batch, computer: Computer) -> Any:
    """The network's outputs in fp32, whatever it computes in; what fp16 is too narrow for is computed in fp32."""
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
    """Nested tuples and lists of tensors, with half-precision tensors made fp32."""
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if isinstance(value, tuple | list):
        return type(value)(as_fp32(part) for part in value)
    return value
