"""Which defaults are best for small data sets: one setting changed at a time, on 40 drawn and 30 real labelled images.

Run it with ``python -m tests.benchmarks.small_data [--epochs N] [--seeds N] [--only PART]``; all parts take two hours
on two cores, so it is no part of ``make bench``. Each run is a trainer process with one thread, two at a time. The real
images are the export ``digits-coco-grey`` below ``NASFLOW_TEST_EXPORTS``; without it only the drawn ones are used.

- ``drawn`` and ``real`` start from random weights;
- ``batch`` compares batch sizes on 120 drawn images;
- ``weights`` starts from a model of 160 other drawn images: of the same kind for the drawn ones, of another for the
  real ones;
- ``patience`` trains four times the epochs, and shows for each patience when it would have stopped, and with which mAP.

It prints the best mAP on the valid split for each setting: the mean over the seeds, and each one.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from deployments.demo.cartoons import draw_export
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.local import dataset_folder
from tasks.local.files import file_sha256
from tasks.records import DatasetSnapshot, EpochResult, TrainingSpec
from tasks.training.contract import files
from tasks.training.contract.job import InitialWeights, TrainingWork, write_job
from tasks.training.spec import RATE_FROM_RANDOM, SHARE_WITHOUT_MOSAIC, WARMUP_FROM_RANDOM, WARMUP_FROM_WEIGHTS
from tasks.training.worker.loop.progress import Progress

BASE = {
    "learning_rate": RATE_FROM_RANDOM,
    "batch_size": 4,
    "augmentation": "standard",
    "warmup_steps": WARMUP_FROM_RANDOM,
    "ema_decay": 0.9997,
}
CHANGES: tuple[dict, ...] = (
    {},
    *({"learning_rate": rate} for rate in (5e-4, 1e-3, 4e-3)),
    *({"batch_size": size} for size in (8, 16)),
    *({"augmentation": preset} for preset in ("none", "light", "strong")),
    {"augmentation": "strong", "settling_epochs": "share"},
    *({"warmup_steps": steps} for steps in (0, WARMUP_FROM_WEIGHTS)),
    *({"ema_decay": decay} for decay in (0.9, 0.99)),
)
CHANGES_OF_BATCH: tuple[dict, ...] = tuple({"batch_size": size} for size in (4, 8, 16))
CHANGES_WITH_WEIGHTS: tuple[dict, ...] = tuple(
    {"learning_rate": rate, "warmup_steps": WARMUP_FROM_WEIGHTS} for rate in (2.5e-4, 5e-4, 1e-3, 2e-3)
)
PATIENCE = (5, 10, 15, 20, 30, 50)


@dataclass(frozen=True)
class Task:
    """Images to train on, and for how long."""

    name: str
    folder: Path
    snapshot: DatasetSnapshot
    size: int
    epochs: int

    def spec(self, seed: int, change: dict) -> TrainingSpec:
        """Make the spec of a run that never stops early; ``settling_epochs`` may be ``share``, as the plan has it."""
        values = {**BASE, **change}
        if values.get("settling_epochs") == "share":
            values["settling_epochs"] = round(self.epochs * SHARE_WITHOUT_MOSAIC)
        return TrainingSpec(
            snapshot_digest=self.snapshot.digest, classes=self.snapshot.classes, variant="s", epochs=self.epochs,
            image_size=self.size, patience=self.epochs, seed=seed, **values,
        )  # fmt: skip

    def train(self, spec: TrainingSpec, weights: Path | None = None) -> list[EpochResult]:
        """Train, and give the history."""
        out = self.folder / spec.digest[:12]
        out.mkdir()
        start = InitialWeights(file=weights, source=str(weights)) if weights else None
        write_job(out / files.JOB, TrainingWork(spec=spec, data=self.folder / "data", out=out, weights=start))
        command: list[str | Path] = [sys.executable, "-m", "tasks.training.worker", "--job", out / files.JOB]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr[-2000:]
        for checkpoint in ("last.ckpt", "previous.ckpt"):
            (out / checkpoint).unlink(missing_ok=True)
        return files.read_history(out / files.HISTORY)


def best_map(history: Sequence[EpochResult]) -> float:
    """Give the best mAP of all epochs, on the valid split."""
    return max(line.map for line in history)


def prepare(name: str, export: Path, folder: Path, size: int, epochs: int) -> Task:
    """Make the dataset folder of an export."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    inspection = inspect_export(export, scratch)
    snapshot = require_snapshot(inspection)
    dataset_folder.fill(
        folder / "data", snapshot, lambda image, path: path.write_bytes(inspection.files[image.sha256].read_bytes())
    )
    return Task(name, folder, snapshot, size, epochs)


def compare(task: Task, changes: Sequence[dict], seeds: int, weights: Path | None = None) -> None:
    """Train with each setting, and print a line for each."""
    print(
        f"{task.name}, {task.size} px, {task.epochs} epochs from {'given' if weights else 'random'} weights",
        flush=True,
    )
    with ThreadPoolExecutor(2) as pool:
        rows = []
        for change in changes:
            specs = [task.spec(seed, change) for seed in range(seeds)]
            if weights is not None:
                specs = [spec.model_copy(update={"weights_sha256": file_sha256(weights)}) for spec in specs]
            rows.append((change, [pool.submit(task.train, spec, weights) for spec in specs]))
        for change, runs in rows:
            scores = [best_map(run.result()) for run in runs]
            name = ", ".join(f"{key} {value}" for key, value in change.items()) or f"base: {BASE}"
            print(
                f"  {statistics.mean(scores):.3f}  ({', '.join(f'{score:.3f}' for score in scores)})  {name}",
                flush=True,
            )


def compare_patience(task: Task, seeds: int) -> None:
    """Print for each patience the mAP it would have ended with, and after how many epochs."""
    task = replace(task, epochs=task.epochs * 4)
    print(f"{task.name}, {task.size} px, {task.epochs} epochs", flush=True)
    with ThreadPoolExecutor(2) as pool:
        histories = list(pool.map(lambda seed: task.train(task.spec(seed, {})), range(seeds)))
    for patience in PATIENCE:
        ends = [replayed(history, patience) for history in histories]
        outcomes = [
            f"{best_map(end.history):.3f} of {best_map(history):.3f} in {end.epochs_done}"
            for history, end in zip(histories, ends, strict=True)
        ]
        print(f"  patience {patience:2}: mAP {', '.join(outcomes)} epochs", flush=True)
    waits = ", ".join(str(longest_wait(history)) for history in histories)
    print(f"  maximum epochs from one gain to the next: {waits} of {task.epochs}", flush=True)


def longest_wait(history: Sequence[EpochResult]) -> int:
    """Give the maximum number of epochs from one best epoch to the next; patience must be larger to reach the last."""
    progress, gains = Progress(), [0]
    for line in history:
        progress.add_epoch(line, 0)
        if progress.best and progress.best.epoch != gains[-1]:
            gains.append(progress.best.epoch)
    return max(after - before for before, after in pairwise(gains))


def replayed(history: Sequence[EpochResult], patience: int) -> Progress:
    """Replay a history with the trainer's own rule, until this patience ends it."""
    progress = Progress()
    for line in history:
        progress.add_epoch(line, 0)
        if progress.ended(len(history), patience):
            break
    return progress


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", choices=["drawn", "real", "batch", "weights", "patience"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_export(folder / "drawn", 11, train=40, valid=30, test=0, size=128)
        drawn = prepare("40 drawn images", folder / "drawn", folder / "a", 128, options.epochs)
        tasks = [drawn]
        real = Path(os.environ.get("NASFLOW_TEST_EXPORTS", "none")) / "digits-coco-grey"
        if real.is_dir():
            digits = "30 real images of handwritten digits"
            tasks.append(prepare(digits, real, folder / "b", 192, options.epochs * 2))
        if options.only in (None, "drawn"):
            compare(drawn, CHANGES, options.seeds)
        if options.only in (None, "real"):
            for task in tasks[1:]:
                compare(task, CHANGES, options.seeds)
        if options.only in (None, "batch"):
            draw_export(folder / "more", 13, train=120, valid=30, test=0, size=128)
            more = prepare("120 drawn images", folder / "more", folder / "d", 128, options.epochs)
            compare(more, CHANGES_OF_BATCH, options.seeds)
        if options.only in (None, "weights"):
            weights = train_other_model(folder / "c", options.epochs)
            for task in tasks:
                compare(task, CHANGES_WITH_WEIGHTS, options.seeds, weights)
        if options.only in (None, "patience"):
            for task in tasks:
                compare_patience(task, options.seeds)


def train_other_model(folder: Path, epochs: int) -> Path:
    """Train a model on 160 other drawn images, and give its weights."""
    draw_export(folder / "drawn", 12, train=160, valid=30, test=0, size=128)
    task = prepare("160 drawn images", folder / "drawn", folder, 128, epochs)
    spec = task.spec(0, {})
    print(f"weights to start from: {task.name}, mAP {best_map(task.train(spec)):.3f}", flush=True)
    return folder / spec.digest[:12] / files.BEST


if __name__ == "__main__":
    main()
