"""How a trainer is started: the modules, its environment variables and its command line."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from tasks.records import Split, TrainJob
from tasks.settings import WorkSettings, from_environment
from tasks.training import files
from tasks.training.speed_measures import with_speed_measures

TRAIN = "tasks.training.worker"
DETECT = "tasks.training.worker.detect"
EXPORT = "tasks.training.worker.export"
PRIVATE = ("NASFLOW_STORE_", "NASFLOW_ROBOFLOW_", "NASFLOW_COCO_", "ROBOFLOW_", "AWS_", "PREFECT_")
"""Environment variables that the trainer does not need, since it talks to no one."""


def environment() -> dict[str, str]:
    """Make the trainer's environment: this process's without PRIVATE variables, with the speed measures."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    return with_speed_measures(kept) if from_environment(WorkSettings).speed_measures else kept


def train_arguments(
    folder: Path,
    data: Path,
    settings: WorkSettings,
    weights: Path | None = None,
    job: TrainJob | None = None,
    detect: Sequence[Split] = (),
) -> list[str]:
    """Command line of the trainer.

    Args:
        folder: The run's folder, with spec.json.
        data: The dataset folder.
        settings: How this machine trains.
        weights: File of the initial weights.
        job: Source and licence of these weights.
        detect: Splits to detect on when training is finished.

    Returns:
        The arguments after ``python -m``.
    """
    options: dict[str, object] = {
        "spec": folder / files.SPEC,
        "data": data,
        "out": folder,
        "devices": settings.devices,
        "precision": settings.precision,
        "checkpoint-every-minutes": settings.checkpoint_every_minutes,
        "weights": weights,
        "weights-source": job.weights if job and weights else None,
        "weights-licence": job.weights_licence if job and weights else None,
    }
    # With =, so that a value that begins with a dash is still a value.
    arguments = [f"--{name}={value}" for name, value in options.items() if value is not None]
    arguments += ["--detect", *detect] if detect else []
    return [*arguments, "--compile"] if settings.compile else arguments


def detect_arguments(
    weights: Path, data: Path, splits: Iterable[Split], out: Path, settings: WorkSettings
) -> list[str]:
    """Command line of the detector, which computes as training does on this machine.

    Args:
        weights: The weights file.
        data: The dataset folder.
        splits: Splits to detect on, in this order.
        out: Folder that the detections are written into.
        settings: How this machine trains.

    Returns:
        The arguments after ``python -m``.
    """
    arguments = [f"--weights={weights}", f"--data={data}", f"--out={out}", "--splits", *splits]
    return [*arguments, f"--precision={settings.precision}"] if settings.precision else arguments


def export_arguments(weights: Path, data: Path, split: Split, threshold: float, out: Path) -> list[str]:
    """Command line of the exporter.

    Args:
        weights: The weights file.
        data: The dataset folder.
        split: Split whose images the files are measured on.
        threshold: Confidence threshold that the files name.
        out: Folder that the files are written into.

    Returns:
        The arguments after ``python -m``.
    """
    return [f"--weights={weights}", f"--data={data}", f"--split={split}", f"--threshold={threshold}", f"--out={out}"]
