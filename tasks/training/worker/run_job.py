"""What the training loop is given: the run with its images, and how its parent watches it."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from tasks.records import DatasetSnapshot, TrainingSpec
from tasks.training.contract.job import TrainingWork
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.watchdog import Watchdog


@dataclass(frozen=True)
class RunJob:
    """What is trained, on which images, and where its files go."""

    work: TrainingWork
    snapshot: DatasetSnapshot

    @property
    def spec(self) -> TrainingSpec:
        """The run."""
        return self.work.spec

    @property
    def data(self) -> Path:
        """Dataset folder of the snapshot."""
        return self.work.data

    @property
    def out(self) -> Path:
        """The run's folder."""
        return self.work.out


@dataclass(frozen=True)
class Supervision:
    """How a run reports to its parent, and is stopped by it."""

    events: Events = field(default_factory=lambda: Events(None))
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the run shall write a checkpoint and end."""
    watchdog: Watchdog = field(default_factory=lambda: Watchdog(None))
