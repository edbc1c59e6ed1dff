"""super-gradients' loss in sums and their normaliser, so that a batch in several pieces has the loss of the whole."""

from typing import Any

import torch
from super_gradients.training.losses import PPYoloELoss
from torch import Tensor

LOSS_PARTS = ("class", "iou", "dfl", "total")
"""Order of a loss's parts, as super-gradients reports them."""


def make_loss(classes: int) -> PPYoloELoss:
    """The loss of super-gradients' YOLO-NAS recipe."""
    return PPYoloELoss(num_classes=classes, use_static_assigner=False)


def loss_sums(loss: PPYoloELoss, outputs: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The loss before it is divided.

    ``loss(outputs, targets)`` would be the sums divided by the normaliser, or by 1 if that is less. Its own way to
    share the normaliser changes sums in place that gradients flow through, and gets out of step with DDP.

    Args:
        loss: Gives the parts and their weights.
        outputs: Of the network, in training or in eval mode, fp32.
        targets: ``[T, 6]``: image, class, cx, cy, w, h in pixels.

    Returns:
        Weighted sums ``[3]`` over all boxes: class, IoU, DFL; and the normaliser, the sum of the assigned scores.
    """
    predictions = outputs[1] if len(outputs) == 2 else outputs
    class_sum, iou_sum, dfl_sum, normaliser = loss._forward_batched(predictions, targets)
    sums = torch.stack(
        [
            loss.classification_loss_weight * class_sum,
            loss.iou_loss_weight * iou_sum,
            loss.dfl_loss_weight * dfl_sum,
        ]
    )
    return sums, normaliser


def divisor(normaliser: Tensor) -> Tensor:
    """What sums are divided by: the normaliser, at least 1."""
    return torch.clip(normaliser, min=1.0)


def loss_parts(sums: Tensor, normaliser: Tensor) -> list[float]:
    """The loss's parts in the order of LOSS_PARTS."""
    parts = (sums / divisor(normaliser)).tolist()
    return [*parts, sum(parts)]
