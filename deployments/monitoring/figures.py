"""The figures that a look at a source gives. Plain data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Queue:
    """What waits in a queue of a work pool."""

    pool: str
    name: str
    waiting: int
    """Flow runs that are due, and that no worker has taken."""
    wait_seconds: float
    """For how long the oldest of them has been due; 0 if none waits."""


@dataclass(frozen=True)
class RunningTraining:
    """A train flow run that is running."""

    run_key: str
    running_seconds: float
    """Since this attempt began."""


@dataclass(frozen=True)
class Crash:
    """A train flow run that ran, and crashed."""

    event: str
    """Id of the event, so that none is counted twice."""
    run_key: str
    began: datetime
    """When the attempt began to run."""
    at: datetime


@dataclass(frozen=True)
class ServerFigures:
    """What a look at the Prefect server gave."""

    flow_runs: Mapping[tuple[str, str], int]
    """How many, by flow and state."""
    training_seconds: Mapping[str, float]
    """For how long train flow runs ran, by state."""
    queues: Sequence[Queue]
    workers_online: Mapping[str, int]
    """By work pool."""
    trainings: Sequence[RunningTraining]
    crashes: Sequence[Crash]
    """Those since the first look, of the last minutes."""
    backup_begun: datetime | None
    """When the newest backup was begun; None if the server knows of none."""
    left_out: Mapping[str, int]
    """What there is more of than is looked at."""


@dataclass(frozen=True)
class Champion:
    """The champion of a project."""

    project: str
    version: int
    promoted: datetime


@dataclass(frozen=True)
class TrainingInStore:
    """How far the store is behind a running training."""

    run_key: str
    lag_epochs: int
    """Epochs whose checkpoint is on the worker alone."""
    unsaved_seconds: float
    """Since the newest checkpoint in the store, or since the attempt began."""


@dataclass(frozen=True)
class StoreFigures:
    """What a look at the store gave."""

    trainings: Sequence[TrainingInStore]
    champions: Sequence[Champion]
    left_out: Mapping[str, int]
