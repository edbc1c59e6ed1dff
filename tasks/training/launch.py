"""Starting a trainer process, hearing what it tells, and ending it. The edge between this process and torch.

The child gets a pipe for its JSON lines and a stdin that ends when this process does; its own output goes to a log
file. It runs in a process group of its own, so that it and its children can be ended together.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from tasks.errors import (
    BadCheckpoint,
    BadSpec,
    DamagedCheckpoint,
    DiskFull,
    NasflowError,
    NotLearning,
    OutOfMemory,
    TrainingStopped,
    WorkerLost,
)
from tasks.records import Split, TrainJob
from tasks.settings import WorkSettings
from tasks.training import files
from tasks.training.fit import OUT_OF, Shortage, less_next_time, read_fit

Event = dict[str, Any]

TRAIN = "tasks.training.worker"
DETECT = "tasks.training.worker.detect"
STOP_SECONDS = 25.0
"""Time to finish a step and write a checkpoint; Prefect kills a cancelled flow run's process after 30 s."""
PRIVATE = ("NASFLOW_STORE_", "NASFLOW_ROBOFLOW_", "ROBOFLOW_", "AWS_", "PREFECT_")
"""Environment variables that the trainer does not need, since it talks to no one."""
HUGE_PAGES = "glibc.malloc.hugetlb=1"
"""Have glibc ask for pages of 2 MB, which Linux mostly gives on asking only; other C libraries do not look.

A training step on a CPU goes through gigabytes: in pages of 4 KiB it takes 3 to 5 % longer.
"""
WATCHDOG_LINE = "Timeout ("
"""How the trainer's watchdog begins what it writes to the log."""
NAMED_ERRORS: dict[str, type[NasflowError]] = {
    kind.__name__: kind for kind in (BadCheckpoint, DamagedCheckpoint, DiskFull)
}
"""Errors that are told apart by name, since they share an exit code."""
EXIT_ERRORS: dict[int, type[NasflowError]] = {2: BadSpec, 3: OutOfMemory, 4: TrainingStopped, 5: NotLearning}


def environment() -> dict[str, str]:
    """The environment variables that a trainer gets: those of this process that are its business, and HUGE_PAGES."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    tunables = kept.get("GLIBC_TUNABLES", "")
    if HUGE_PAGES.partition("=")[0] not in tunables:
        kept["GLIBC_TUNABLES"] = f"{tunables}:{HUGE_PAGES}".removeprefix(":")
    return kept


class TrainerProcess:
    """A trainer under way, as a context manager: leaving the block ends it, whatever happened."""

    def __init__(self, module: str, arguments: list[str], log: Path, stop_seconds: float = STOP_SECONDS) -> None:
        # -P: the folder that somebody works in may have a tasks.py of its own.
        self._command = [sys.executable, "-P", "-m", module, *arguments, "--stop-with-parent"]
        self._log = log
        self._stop_seconds = stop_seconds
        self._asked_to_stop = False
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._last_error: Event | None = None

    def __enter__(self) -> "TrainerProcess":
        read_end, write_end = os.pipe()
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            self._kernel_kills = kernel_kills()
            with self._log.open("ab") as log:
                self._log_start = log.tell()
                self._process = subprocess.Popen(
                    [*self._command, "--events", f"/dev/fd/{write_end}"],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=[write_end],
                    process_group=0,
                    env=environment(),
                )
        finally:
            os.close(write_end)
        # A thread empties the pipe, so that a reader that is busy never stops the trainer.
        self._reader = threading.Thread(target=self._read, args=[read_end], daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id, which is its group's id too."""
        return self._process.pid

    def events(self, tick: float = 1.0) -> Iterator[Event]:
        """Events until the process ends; ``{"event": "tick"}`` when nothing came for ``tick`` seconds."""
        while True:
            try:
                event = self._events.get(timeout=tick)
            except queue.Empty:
                if self._process.poll() is not None:
                    self._end_group()  # children that outlive it keep the pipe open
                yield {"event": "tick"}
                continue
            if event is None:
                return
            if event["event"] == "error":
                self._last_error = event
            yield event

    def result(self) -> None:
        """Wait for the end, and raise what it means.

        Raises:
            BadCheckpoint, BadSpec, OutOfMemory, TrainingStopped, NotLearning: as the trainer said.
            WorkerLost: it was killed.
            NasflowError: anything else.
        """
        code = self._process.wait()
        if code == 0:
            return
        if code < 0 and self._asked_to_stop:
            raise TrainingStopped("stopped on request before it could write a checkpoint; run the same again to go on")
        if code < 0:
            raise self._killed(-code)
        if self._last_error is None and code == 1 and (watchdog_line := self._watchdog_line()):
            raise WorkerLost(
                f"the trainer made no step any more ({watchdog_line}); where each thread was stands in {self._log}; "
                "started again, it goes on from its last checkpoint"
            )
        if self._last_error is None:
            raise EXIT_ERRORS.get(code, NasflowError)(self._tail())
        kind = NAMED_ERRORS.get(self._last_error.get("kind", ""), EXIT_ERRORS.get(code, NasflowError))
        raise kind(self._last_error["message"])

    def _killed(self, number: int) -> NasflowError:
        """What it means that the trainer was ended by a signal."""
        if shortage := self._shortage(number):
            fit = read_fit(self._log.parent)
            return less_next_time(self._log.parent, fit, shortage) if fit else OutOfMemory(OUT_OF[shortage])
        return WorkerLost(
            f"the trainer was killed by {_signal_name(number)}; started again, it goes on from its last checkpoint; "
            f"{self._tail()}"
        )

    def _shortage(self, number: int) -> Shortage | None:
        if number == signal.SIGKILL and kernel_kills() > self._kernel_kills:
            return "memory"
        return "shared memory" if number == signal.SIGBUS else None

    def stop(self) -> None:
        """Ask it to write a checkpoint and end; then kill what is left of its group."""
        if self._process.poll() is None:
            self._asked_to_stop = True
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self._stop_seconds)
        self._end_group()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()
        self._reader.join(timeout=5)

    def _end_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                try:
                    self._events.put(json.loads(line))
                except json.JSONDecodeError:
                    continue  # the last line of a process that was killed while it wrote
        self._events.put(None)

    def _watchdog_line(self) -> str | None:
        """The line with which the watchdog ended this trainer, if it did; the log holds those before it, too."""
        lines = self._log.read_bytes()[self._log_start :].decode(errors="replace").splitlines()
        return next((line for line in lines if line.startswith(WATCHDOG_LINE)), None)

    def _tail(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return f"its log {self._log} ends: {lines[-1][:300]}" if lines else f"its log {self._log} is empty"


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def kernel_kills(path: Path = Path("/proc/vmstat")) -> int:
    """How many processes the kernel has killed since the machine, or a container of it, ran out of memory."""
    try:
        counts = dict(line.split() for line in path.read_text().splitlines())
    except OSError:
        return 0
    return int(counts.get("oom_kill", 0))


def train_arguments(
    folder: Path, data: Path, settings: WorkSettings, weights: Path | None = None, job: TrainJob | None = None
) -> list[str]:
    """Command line of the trainer.

    Args:
        folder: The run's, with spec.json.
        data: Dataset folder.
        settings: How this machine trains.
        weights: File to start from.
        job: Says where that came from.
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
    # With =, so that a value that begins with a dash is none the less a value.
    arguments = [f"--{name}={value}" for name, value in options.items() if value is not None]
    return [*arguments, "--compile"] if settings.compile else arguments


def detect_arguments(
    weights: Path, data: Path, splits: Iterable[Split], out: Path, settings: WorkSettings
) -> list[str]:
    """Command line of the detector, which computes as training does on this machine, and writes into ``out``."""
    arguments = [f"--weights={weights}", f"--data={data}", f"--out={out}", "--splits", *splits]
    return [*arguments, f"--precision={settings.precision}"] if settings.precision else arguments
