"""super-gradients' loss as sums and their normalizer, so that micro-batches together have the loss of the batch."""

from typing import Any

import torch
from torch import Tensor

from tasks.training.worker.super_gradients_parts import PPYoloELoss

LOSS_PARTS = ("class", "iou", "dfl", "total")
"""Order of the parts of a loss, as super-gradients reports them."""


def make_loss(classes: int) -> PPYoloELoss:
    """Make the loss of super-gradients 3.7.1, ``recipes/training_hyperparams/coco2017_yolo_nas_train_params.yaml``.

    Its defaults are those of PP-YOLOE (Xu et al. 2022): weights 1, 2.5 and 0.5 of class, IoU and DFL, and 13 candidates
    for a box with the powers 1 and 6 of the task-aligned assigner (Feng et al. 2021).
    """
    return PPYoloELoss(num_classes=classes, use_static_assigner=False)


def loss_sums(loss: PPYoloELoss, outputs: Any, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the loss before it is divided.

    ``loss(outputs, targets)`` would be the sums divided by the normalizer, or by 1 if that is less. Its own way to
    share the normalizer among processes changes sums in place that gradients flow through, and gets out of step with
    DDP.

    Args:
        loss: Gives the parts and their weights.
        outputs: Of the network, in training or in eval mode, fp32.
        targets: ``[T, 6]``: image, class, cx, cy, w, h in pixels.

    Returns:
        Weighted sums ``[3]`` over all boxes: class, IoU, DFL; and the normalizer, the sum of the assigned scores.
    """
    predictions = outputs[1] if len(outputs) == 2 else outputs
    class_sum, iou_sum, dfl_sum, normalizer = loss._forward_batched(predictions, targets)
    sums = torch.stack(
        [
            loss.classification_loss_weight * class_sum,
            loss.iou_loss_weight * iou_sum,
            loss.dfl_loss_weight * dfl_sum,
        ]
    )
    return sums, normalizer


def divisor(normalizer: Tensor) -> Tensor:
    """What sums are divided by: the normalizer, at least 1."""
    return torch.clip(normalizer, min=1.0)


def loss_parts(sums: Tensor, normalizer: Tensor) -> list[float]:
    """Divide the sums ``[3]``, and give the parts in the order of LOSS_PARTS."""
    parts = (sums / divisor(normalizer)).tolist()
    return [*parts, sum(parts)]
