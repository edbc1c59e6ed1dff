"""The scores of the best epoch in training equal those of the evaluation stage on the same images, to the digit."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from tasks import metrics
from tasks.records import DatasetSnapshot
from tasks.training.contract import files
from tests.fakes import trainer
from tests.fakes.datasets import make_spec, write_dataset
from tests.fakes.libraries import imported

BATCH = 4


def train(snapshot: DatasetSnapshot, data: Path, folder: Path) -> Path:
    """Train 96 steps, after which about half of the drawn discs and squares are detected."""
    spec = make_spec(snapshot, epochs=8, image_size=64, batch_size=BATCH, learning_rate=2e-3, augmentation="none")
    out = folder / "out"
    done = trainer.run(folder, trainer.training(spec, data, out))
    assert done.process.returncode == 0, done.stderr[-2000:]
    return out


def detect(weights: Path, data: Path, folder: Path) -> list[dict]:
    """Detections on the valid split, after another one."""
    done, out = trainer.detect(folder, weights, data, "train", "valid")
    assert done.process.returncode == 0, done.stderr[-2000:]
    return json.loads((out / files.detections("valid")).read_bytes())


def test_the_best_epoch_is_measured_as_it_was_validated(tmp_path: Path) -> None:
    """The valid split is no larger than a batch of either process, so both compute the same one."""
    data = tmp_path / "data"
    snapshot = write_dataset(data, 12 * BATCH, BATCH - 1, size=80)
    out = train(snapshot, data, tmp_path)
    detections = detect(out / files.BEST, data, tmp_path)
    # As tasks.evaluation.in_store scores them.
    scores = metrics.score(
        metrics.coco_ground_truth(snapshot.of_split("valid"), snapshot.classes), detections, intervals=True
    )
    best = max(files.read_history(out / files.HISTORY), key=lambda line: line.map)
    assert best.map > 0.05, "too few detections to compare"
    for name in ("map", "map50", "precision", "recall"):
        assert getattr(best, name) == round(getattr(scores, name), 6), name


def test_an_overflow_of_fp16_is_computed_in_fp32(tmp_path: Path) -> None:
    """On a processor, by its own autocast: fabric offers fp16 on GPUs alone."""
    device, validate, batches = (
        imported(f"tasks.training.worker.{name}", tmp_path)
        for name in ("runtime.device", "loop.validation", "data.loaders")
    )
    half = imported("lightning_fabric.plugins", tmp_path).MixedPrecision("16-mixed", "cpu")
    fabric = imported("lightning_fabric", tmp_path).Fabric(accelerator="cpu", devices=1, plugins=half)
    computer = device.Computer(device.Device("cpu", "16-mixed", channels_last=False), fabric)
    batch = batches.Batch(torch.full((1, 3, 2, 2), 255, dtype=torch.uint8), torch.zeros(0, 6), [0])
    network = nn.Conv2d(3, 1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(1 / 3)
        assert validate.forward(network, batch, computer).flatten().tolist() == pytest.approx([1.0] * 4, abs=1e-3)
        network.weight.fill_(1e5)
        with fabric.autocast():
            assert not torch.isfinite(network(computer.images(batch.images))).any()
        assert validate.forward(network, batch, computer).flatten().tolist() == pytest.approx([3e5] * 4)
