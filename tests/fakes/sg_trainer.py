"""super-gradients' own ``Trainer`` on a given network and loader, to compare our training step with.

Only for processes of their own, which call ``quiet_libraries`` before they import this.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from super_gradients.training import Trainer
from super_gradients.training.losses import PPYoloELoss
from torch import nn
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


def train(
    network: nn.Module, loader: DataLoader, valid_loader: DataLoader, folder: Path, spec: TrainingSpec
) -> TrainedPeer:
    """Train for one epoch at a constant learning rate in fp32.

    Args:
        network: Where to start from.
        loader: Batches to train on.
        valid_loader: Batches to validate on.
        folder: For its checkpoints.
        spec: For its classes, learning rate and weight decay.

    Returns:
        The losses and the network.
    """
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
