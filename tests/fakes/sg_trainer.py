"""super-gradients' own ``Trainer`` on a given network and loader, to compare our training step with.

Only for processes of their own, which call ``quiet_libraries`` before they import this.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from super_gradients.training import Trainer
from super_gradients.training.losses import PPYoloELoss
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tasks.records import TrainingSpec


@dataclass(frozen=True)
class TrainedPeer:
    """What super-gradients made of a network."""

    losses: list[list[float]]
    """Loss parts of each step."""
    network: nn.Module


class RecordedLoss(PPYoloELoss):
    """The loss, which records the parts of every training step."""

    def __init__(self, classes: int) -> None:
        super().__init__(num_classes=classes, use_static_assigner=False)
        self.parts: list[list[float]] = []

    def __deepcopy__(self, memo: dict) -> "RecordedLoss":
        return self  # the Trainer copies its parameters, and would keep the parts for itself

    def forward(self, outputs, targets):
        loss, parts = super().forward(outputs, targets)
        if torch.is_grad_enabled():  # not in its validation
            self.parts.append(parts.tolist())
        return loss, parts


class InHalfPrecision(nn.Module):
    """A network that computes in bf16 where torch.autocast says so; what it gives is fp32.

    An autocast around the whole training would keep the rounded weights of the first step.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> object:
        with torch.autocast("cpu", torch.bfloat16):
            outputs = self.network(images)
        return _in_fp32(outputs)


def _in_fp32(value: object) -> object:
    """The tensors of nested tuples and lists, in fp32."""
    if isinstance(value, tuple | list):
        return type(value)(map(_in_fp32, value))
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def train(
    network: nn.Module, loader: DataLoader, valid_loader: DataLoader, folder: Path, spec: TrainingSpec, *, half: bool
) -> TrainedPeer:
    """Train for one epoch at a constant learning rate.

    Args:
        network: Where to start from.
        loader: Batches to train on.
        valid_loader: Batches to validate on.
        folder: For its checkpoints.
        spec: For its classes, learning rate and weight decay.
        half: Whether forward passes compute in bf16; its own mixed precision is for GPUs alone.

    Returns:
        The losses and the network.
    """
    peer = _train(InHalfPrecision(network) if half else network, loader, valid_loader, folder, spec)
    return TrainedPeer(peer.losses, network)


def gradients(
    network: nn.Module, images: Tensor, targets: Tensor, spec: TrainingSpec, *, half: bool
) -> dict[str, Tensor]:
    """Gradients of the loss on one batch.

    Args:
        network: The network; its running statistics change.
        images: fp32 in [0, 1].
        targets: As super-gradients' loaders give them.
        spec: For its classes.
        half: Whether forward passes compute in bf16.

    Returns:
        The gradients, by the names of the parameters that have one.
    """
    used = InHalfPrecision(network) if half else network
    loss, _ = RecordedLoss(len(spec.classes))(used.train()(images), targets)
    network.zero_grad()
    loss.backward()
    named = network.named_parameters()
    return {name: parameter.grad.clone() for name, parameter in named if parameter.grad is not None}


def _train(
    network: nn.Module, loader: DataLoader, valid_loader: DataLoader, folder: Path, spec: TrainingSpec
) -> TrainedPeer:
    loss = RecordedLoss(len(spec.classes))
    trainer = Trainer("peer", ckpt_root_dir=str(folder))
    trainer.train(
        network,
        {
            "max_epochs": 1,
            "initial_lr": spec.learning_rate,
            "lr_mode": "StepLRScheduler",
            "lr_updates": [2],
            "lr_decay_factor": 1.0,
            "lr_warmup_epochs": 0,
            "optimizer": "AdamW",
            "optimizer_params": {"weight_decay": spec.weight_decay},
            "zero_weight_decay_on_bias_and_bn": True,
            "loss": loss,
            "ema": False,
            "mixed_precision": False,
            "average_best_models": False,
            "train_metrics_list": [],
            "valid_metrics_list": [],
            "metric_to_watch": "RecordedLoss/loss",
            "greater_metric_to_watch_is_better": False,
            "silent_mode": True,
        },
        train_loader=loader,
        valid_loader=valid_loader,
    )
    return TrainedPeer(loss.parts, trainer.net)
