"""How a trainer is started: its environment variables, and the jobs of training runs."""

import os
from pathlib import Path

from tasks.records import Split, TrainJob
from tasks.settings import WorkSettings, from_environment
from tasks.training.contract.job import InitialWeights, TrainingWork
from tasks.training.speed_measures import with_speed_measures

PRIVATE = ("NASFLOW_STORE_", "NASFLOW_ROBOFLOW_", "NASFLOW_COCO_", "ROBOFLOW_", "AWS_", "PREFECT_")
"""Environment variables that the trainer does not need, since it talks to no one."""


def environment() -> dict[str, str]:
    """Make the trainer's environment: this process's without PRIVATE variables, with the speed measures."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    return with_speed_measures(kept) if from_environment(WorkSettings).speed_measures else kept


def training_work(
    job: TrainJob,
    folder: Path,
    data: Path,
    settings: WorkSettings,
    weights: Path | None = None,
    detect: tuple[Split, ...] = (),
) -> TrainingWork:
    """Make the job of a training run on this machine.

    Args:
        job: What to train.
        folder: The run's folder.
        data: The dataset folder.
        settings: How this machine trains.
        weights: File of the initial weights, which the job tells the source and the licence of.
        detect: Splits to detect on when training is finished.

    Returns:
        The job.
    """
    start = InitialWeights(file=weights, source=job.weights, licence=job.weights_licence) if weights else None
    return TrainingWork(data=data, out=folder, spec=job.spec, machine=settings.machine, weights=start, detect=detect)
