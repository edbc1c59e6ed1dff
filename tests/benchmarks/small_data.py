"""Which defaults learn best from little: one setting changed at a time, on 40 drawn and 30 real labelled pictures.

Run it with ``python -m tests.benchmarks.small_data [--epochs N] [--seeds N]``; it takes an hour on two cores, so it is
no part of ``make bench``. Each run is a trainer process with one thread, two at a time. The real pictures are the
export ``digits-coco-grey`` below ``NASFLOW_TEST_EXPORTS``; without it there are the drawn ones alone.

What it prints is the best mAP on the valid split by setting: the mean over the seeds, and each.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from deployments.cartoons import draw_export
from tasks import dataset_folder
from tasks.labeling.check import inspect_export, require_snapshot
from tasks.records import TrainingSpec

BASE = {"learning_rate": 1e-3, "batch_size": 4, "augmentation": "standard", "warmup_steps": 100, "ema_decay": 0.9997}
CHANGES: tuple[dict, ...] = (
    {},
    *({"learning_rate": rate} for rate in (5e-4, 2e-3, 4e-3)),
    *({"batch_size": size} for size in (8, 16)),
    *({"augmentation": preset} for preset in ("none", "light", "strong")),
    {"augmentation": "strong", "settling_epochs": "share"},
    {"warmup_steps": 0},
    *({"ema_decay": decay} for decay in (0.9, 0.99)),
)


def prepare(export: Path, folder: Path) -> dataset_folder.DatasetSnapshot:
    """The dataset folder of an export."""
    scratch = folder / "scratch"
    scratch.mkdir(parents=True)
    inspection = inspect_export(export, scratch)
    snapshot = require_snapshot(inspection)
    dataset_folder.fill(
        folder / "data", snapshot, lambda image, path: path.write_bytes(inspection.files[image.sha256].read_bytes())
    )
    return snapshot


def best_map(folder: Path, spec: TrainingSpec, name: str) -> float:
    """Train; gives the best mAP on the valid split."""
    path, out = folder / f"{name}.json", folder / name
    path.write_text(spec.model_dump_json())
    done = subprocess.run(
        [sys.executable, "-m", "tasks.training.worker", "--spec", path, "--data", folder / "data", "--out", out],
        capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    result = json.loads((out / "result.json").read_text())
    for heavy in ("last.ckpt", "previous.ckpt"):
        (out / heavy).unlink()
    return result["best_map"]


def compare(folder: Path, snapshot: dataset_folder.DatasetSnapshot, *, size: int, epochs: int, seeds: int) -> None:
    """Print a line for each setting."""
    with ThreadPoolExecutor(2) as pool:
        rows = []
        for number, change in enumerate(CHANGES):
            values = {**BASE, **change}
            if values.get("settling_epochs") == "share":
                values["settling_epochs"] = round(epochs * 0.15)
            runs = []
            for seed in range(seeds):
                spec = TrainingSpec(
                    snapshot_digest=snapshot.digest, classes=snapshot.classes, variant="s", epochs=epochs,
                    image_size=size, patience=epochs, seed=seed, **values,
                )  # fmt: skip
                runs.append(pool.submit(best_map, folder, spec, f"run-{number}-{seed}"))
            rows.append((change, runs))
        for change, runs in rows:
            scores = [run.result() for run in runs]
            name = ", ".join(f"{key} {value}" for key, value in change.items()) or f"base: {BASE}"
            print(
                f"  {statistics.mean(scores):.3f}  ({', '.join(f'{score:.3f}' for score in scores)})  {name}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", choices=["drawn", "real"])
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.only != "real":
            draw_export(folder / "drawn", 11, train=40, valid=30, test=0, size=128)
            print(f"40 drawn pictures of 128 px, {given.epochs} epochs from random weights", flush=True)
            compare(
                folder / "a", prepare(folder / "drawn", folder / "a"), size=128, epochs=given.epochs, seeds=given.seeds
            )
        real = Path(os.environ.get("NASFLOW_TEST_EXPORTS", "none")) / "digits-coco-grey"
        if given.only != "drawn" and real.is_dir():
            print(f"30 real pictures of handwritten digits, 192 px, {given.epochs * 2} epochs", flush=True)
            compare(folder / "b", prepare(real, folder / "b"), size=192, epochs=given.epochs * 2, seeds=given.seeds)


if __name__ == "__main__":
    main()
