"""What the training loop is given: the run, the machine's options, and how its parent watches it."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from tasks.records import DatasetSnapshot, TrainingSpec
from tasks.training.worker.runtime.device import Device
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.watchdog import Watchdog


@dataclass(frozen=True)
class RunJob:
    """What is trained, on which images, and where its files go."""

    spec: TrainingSpec
    snapshot: DatasetSnapshot
    data: Path
    """Dataset folder of the snapshot."""
    out: Path
    """The run's folder."""


@dataclass(frozen=True)
class Options:
    """What belongs to a machine and not to a run. Only rounding depends on it."""

    device: Device
    loader_workers: int | None = None
    """Processes that load images; None for as many as the device needs."""
    checkpoint_seconds: float = 600.0
    """Maximum time between checkpoints."""
    compiled: bool = False
    """Whether the network goes through torch.compile."""


@dataclass(frozen=True)
class Supervision:
    """How a run reports to its parent, and is stopped by it."""

    events: Events = field(default_factory=lambda: Events(None))
    stop: threading.Event = field(default_factory=threading.Event)
    """Set when the run shall write a checkpoint and end."""
    watchdog: Watchdog = field(default_factory=lambda: Watchdog(None))
