"""What decides a training run, apart from the arithmetic of its steps."""

import hashlib
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from super_gradients.training.samples import DetectionSample
from torch import nn

from tasks.records import Augmentation, EpochResult, TrainingSpec
from tasks.training.worker.data.augmentation import make_transforms
from tasks.training.worker.data.datasets import TrainingImages, as_tensors
from tasks.training.worker.data.images import ImageFolder
from tasks.training.worker.data.loaders import BatchPlan, EpochBatches
from tasks.training.worker.loop.progress import Progress
from tasks.training.worker.loop.running_statistics import RunningStatistics
from tasks.training.worker.loop.schedule import ema_decay_at, learning_rate
from tasks.training.worker.model.batch_norms import batch_norms
from tasks.training.worker.model.flat_state import FlatState, trainable_names
from tasks.training.worker.model.loaded_weights import CLASS_HEAD
from tasks.training.worker.model.loss import loss_parts, loss_sums, make_loss
from tasks.training.worker.model.mixed_precision import MixedPrecisionParameters
from tasks.training.worker.model.warm_start import class_heads_by_name
from tests.fakes.datasets import CLASSES, make_spec, write_dataset
from tests.fakes.training_steps import make_training_step
from tests.numbers.recorded import about

SPEC = TrainingSpec(
    snapshot_digest="0" * 64, classes=CLASSES, variant="s", epochs=4, image_size=64, batch_size=2, learning_rate=1e-3,
    patience=3, seed=5, settling_epochs=1,
)  # fmt: skip
PRESETS: tuple[Augmentation, ...] = ("none", "light", "standard", "strong")


def values(folder: Path) -> dict[str, Any]:
    """Values by part."""
    return {
        "schedule": schedule(),
        "running statistics": running_statistics(),
        "order": order(),
        "augmentation": {preset: augmentation(preset, folder / preset) for preset in PRESETS},
        "labels": labels(folder / "labels"),
        "loss": loss(),
        "network": network(folder / "network"),
        "half precision": half_precision(),
        "best epoch": best_epoch(),
        "class heads": class_heads(),
    }


def schedule() -> dict[str, Any]:
    """Learning rates and decays of the EMA over runs of two lengths."""
    runs = [(40, 5, 0.1), (4000, 100, 0.1), (4000, 5, 0.5)]
    rates = [
        [
            learning_rate(
                SPEC.model_copy(update={"warmup_steps": warmup, "final_learning_rate_ratio": last}), step, total
            )
            for step in (0, 1, 3, 4, 5, total // 10, total // 3, total // 2, total - 1, total)
        ]
        for total, warmup, last in runs
    ]
    decays = [ema_decay_at(SPEC.ema_decay, updates) for updates in (0, 1, 15, 100, 290, 5000, 29988, 40000)]
    return {"rates": rates, "decays of the EMA": decays}


def running_statistics() -> dict[str, Any]:
    """First and last step of the warm-up, and how much early steps weigh."""
    values = torch.zeros(1)
    statistics = RunningStatistics(nn.Sequential(nn.BatchNorm2d(1, momentum=0.03)), values)
    steps = [step for step in range(400) if statistics.warming_up(step)]
    weights = []
    for step, passes in ((16, 1), (100, 1), (100, 3)):
        values.zero_()
        statistics.remember()
        values.fill_(1.0)
        statistics.warm_up(step, passes)
        weights.append(float(values))
    return {"first": steps[0], "last": steps[-1], "weights": weights}


def order() -> list[Any]:
    """Which images are in which step, on one device and on the second of two."""
    plans = [BatchPlan(11, 4, seed=3, micro_batch=2), BatchPlan(11, 4, seed=3, rank=1, world_size=2)]
    return [
        [[micro_batch.indices for micro_batch in step.micro_batches] for step in EpochBatches(plan, epoch).steps]
        for plan in plans
        for epoch in (1, 2)
    ]


def augmentation(preset: Augmentation, folder: Path) -> dict[str, Any]:
    """The transforms with their ranges, and boxes and colours of some images after them."""
    images = write_dataset(folder, train=6, valid=1, size=96).of_split("train")
    spec = SPEC.model_copy(update={"augmentation": preset})
    data = TrainingImages(ImageFolder(folder, images, 64), spec)
    samples = [data[epoch, index] for epoch in (1, 3, 4) for index in range(4)]
    return {
        "transforms": [[type(one).__name__, _settings(one)] for one in make_transforms(preset, 64)],
        "targets": [[round(float(value), 2) for value in sample[1].flatten()] for sample in samples],
        "means": [[about(value, 1.0) for value in sample[0].double().mean(dim=(1, 2))] for sample in samples],
    }


def _settings(transform: object) -> dict[str, Any]:
    """Attributes of a transform that are numbers or texts, or several of them."""
    plain = (bool, int, float, str, tuple, list)
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in sorted(vars(transform).items())
        if isinstance(value, plain) and not name.startswith("_")
    }


def labels(folder: Path) -> dict[str, Any]:
    """Boxes of an image at two sizes of the input, and how many of small boxes stay."""
    images = write_dataset(folder, train=1, valid=1, size=100).of_split("train")
    corners = np.array([[0, 0, side, 20] for side in (0.5, 0.99, 1.0, 1.01, 1.5, 2.5)], dtype=np.float32)
    sample = DetectionSample(
        image=np.zeros((64, 64, 3), dtype=np.uint8), bboxes_xyxy=corners, labels=np.zeros(len(corners))
    )
    return {
        "targets": [as_tensors(ImageFolder(folder, images, size).sample(0), size)[1].tolist() for size in (64, 160)],
        "small boxes kept": len(as_tensors(sample, 64)[1]),
    }


def loss() -> list[float]:
    """The loss of made-up outputs for two images, and the normalizer."""
    dice, bins, strides = random.Random(6), 17, (8, 16, 32)
    cells = [((x + 0.5) * s, (y + 0.5) * s, s) for s in strides for y in range(64 // s) for x in range(64 // s)]
    points = torch.tensor([[x, y] for x, y, _ in cells])
    sides = torch.tensor([[float(side)] for *_, side in cells])
    outputs = (
        torch.tensor([[[6 * dice.random() - 4 for _ in CLASSES] for _ in cells] for _ in range(2)]),
        torch.tensor([[[4 * dice.random() for _ in range(4 * bins)] for _ in cells] for _ in range(2)]),
        torch.cat([points - 2.5 * sides, points + 2.5 * sides], dim=1),
        points,
        [(64 // side) ** 2 for side in strides],
        sides,
    )
    targets = torch.tensor(
        [[0, 0, 20, 24, 30, 22], [0, 1, 45, 40, 20, 36], [1, 1, 33, 30, 50, 44]], dtype=torch.float32
    )
    sums, normalizer = loss_sums(make_loss(len(CLASSES)), outputs, targets)
    return [*loss_parts(sums, normalizer), float(normalizer)]


def network(folder: Path) -> dict[str, Any]:
    """Tensors of the network and how they begin, which ones have weight decay, and the optimizer."""
    snapshot = write_dataset(folder, train=1, valid=1)
    torch.manual_seed(SPEC.seed)
    step = make_training_step(make_spec(snapshot), folder)
    state, norms = step.network.state_dict(), batch_norms(step.network)
    names = trainable_names(step.network)
    shapes = repr([(name, tuple(value.shape)) for name, value in state.items()])
    parameters = [value for name, value in step.network.named_parameters() if name in (*names[0], *names[1])]
    return {
        "shapes": hashlib.sha256(shapes.encode()).hexdigest()[:16],
        "tensors": [len(state), len(names[0]), len(names[1])],
        "trainable": sum(value.numel() for value in parameters),
        "size at first": float(torch.stack([value.detach().double().abs().sum() for value in parameters]).sum()),
        "biases of classes": [float(value.mean()) for name, value in state.items() if "cls_pred.bias" in name],
        "norms": [sorted({norm.momentum for norm in norms}), sorted({norm.eps for norm in norms})],
        "optimizer": [
            {
                name: list(value) if isinstance(value, tuple) else value
                for name, value in group.items()
                if name != "params"
            }
            for group in step.optimizer.param_groups
        ],
    }


def half_precision() -> dict[str, str]:
    """Number formats of the parameters that a forward pass in bf16 uses."""
    layers = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.ConvTranspose2d(2, 2, 1))
    used: dict[str, str] = {}

    def note(layer: nn.Module, inputs: object) -> None:
        for name, parameter in layer.named_parameters():
            used[f"{type(layer).__name__} {name}"] = str(parameter.dtype)

    for layer in layers:
        layer.register_forward_pre_hook(note)
    with torch.autocast("cpu", torch.bfloat16):
        MixedPrecisionParameters(layers, FlatState(layers), torch.bfloat16).predict(torch.ones(1, 1, 4, 4))
    return used


def best_epoch() -> list[Any]:
    """The best epoch so far after each epoch, and whether patience ends the run."""
    progress, found = Progress(), []
    for epoch, (score, valid_loss) in enumerate([(0, 3), (0, 2), (0.2, 5), (0.2, 6), (0.2, 4), (0.1, 1), (0.1, 1)], 1):
        result = EpochResult(
            epoch=epoch, losses={"total": 1}, valid_losses={"total": valid_loss}, map=score, map50=score, precision=0,
            recall=0, lr=0, seconds=0,
        )  # fmt: skip
        progress.add_epoch(result, 0)
        best = progress.best
        found.append([best.epoch if best else None, [progress.ended(20, patience) for patience in (1, 2, 3)]])
    return found


def class_heads() -> list[Any]:
    """Rows of a class head that goes by the names of other classes; rows of its own are negative."""
    name = f"head{CLASS_HEAD}.weight"
    state = {name: torch.tensor([[-1.0], [-2.0], [-3.0]])}
    theirs = {name: torch.tensor([[1.0], [2.0]])}
    heads = class_heads_by_name(Path("x"), state, ("owl", "dog", "cat"), theirs, ("cat", "owl"))
    return heads[name].flatten().tolist()
