"""super-gradients' own ``Trainer`` on a given network and loader, as the one to compare with.

Only for processes of their own, in which ``quiet_libraries`` was called before this is imported.
"""

import time
from pathlib import Path

import torch
from super_gradients.training import Trainer
from super_gradients.training.losses import PPYoloELoss
from super_gradients.training.utils.callbacks import Phase, PhaseCallback
from torch import nn
from torch.utils.data import DataLoader


class KeptLosses(PPYoloELoss):
    """The loss, with the parts of every training step kept."""

    def __init__(self, classes: int) -> None:
        super().__init__(num_classes=classes, use_static_assigner=False)
        self.parts: list[list[float]] = []

    def __deepcopy__(self, memo: dict) -> "KeptLosses":
        return self  # the Trainer copies its parameters, and would keep the parts for itself

    def forward(self, outputs, targets):
        loss, parts = super().forward(outputs, targets)
        if torch.is_grad_enabled():  # not in its validation
            self.parts.append(parts.tolist())
        return loss, parts


class Stopwatch(PhaseCallback):
    """Seconds spent in training epochs, without validation and checkpoints."""

    def __init__(self, phase: Phase, watch: dict) -> None:
        super().__init__(phase)
        self.watch = watch

    def __call__(self, context) -> None:
        self.watch.setdefault(self.phase, []).append(time.monotonic())


def train(
    network: nn.Module,
    loader: DataLoader,
    valid: DataLoader,
    folder: Path,
    *,
    classes: int,
    epochs: int,
    learning_rate: float,
    weight_decay: float,
) -> tuple[list[list[float]], nn.Module, float]:
    """Train at a constant learning rate in fp32; gives each step's loss in parts, the network and the seconds."""
    loss, watch = KeptLosses(classes), {}
    phases = [Phase.TRAIN_EPOCH_START, Phase.TRAIN_EPOCH_END]
    trainer = Trainer("peer", ckpt_root_dir=str(folder))
    trainer.train(
        network,
        {
            "max_epochs": epochs,
            "initial_lr": learning_rate,
            "lr_mode": "StepLRScheduler",
            "lr_updates": [epochs + 1],
            "lr_decay_factor": 1.0,
            "lr_warmup_epochs": 0,
            "optimizer": "AdamW",
            "optimizer_params": {"weight_decay": weight_decay},
            "zero_weight_decay_on_bias_and_bn": True,
            "loss": loss,
            "ema": False,
            "mixed_precision": False,
            "average_best_models": False,
            "train_metrics_list": [],
            "valid_metrics_list": [],
            "metric_to_watch": "KeptLosses/loss",
            "greater_metric_to_watch_is_better": False,
            "silent_mode": True,
            "phase_callbacks": [Stopwatch(phase, watch) for phase in phases],
        },
        train_loader=loader,
        valid_loader=valid,
    )
    starts, ends = (watch[phase] for phase in phases)
    return loss.parts, trainer.net, sum(ends) - sum(starts)
