"""The trainer as a process of its own, with its events and output."""

import atexit
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import IO

from tasks.records import MachineOptions, Split, TrainingSpec
from tasks.training.contract.job import DetectionWork, TrainerJob, TrainingWork, write_job
from tests.fakes.warm_start_server import ForkedProcess, WarmStartServer

MODULE = "tasks.training.worker"
PATIENCE = 240
WARM_START = True
"""Whether trainers are forks of a process that has imported everything. Such a fork cannot use a GPU, since an import
has looked for GPUs before it."""
EVERY_STEP = {"checkpoint_every_minutes": 0.00001}
"""Of the machine, for a trainer that saves after each step."""


def training(spec: TrainingSpec, data: Path, out: Path, **values: object) -> TrainingWork:
    """The job of a training run; ``values`` are fields of the job or of its machine."""
    machine = {name: values.pop(name) for name in list(values) if name in MachineOptions.model_fields}
    return TrainingWork.model_validate(
        {"spec": spec.model_dump(), "data": data, "out": out, "machine": machine, **values}
    )  # fmt: skip


class Trainer:
    """One process under way. Its home folder does not exist, and it computes on one thread."""

    def __init__(self, folder: Path, job: TrainerJob | Path, *flags: str) -> None:
        """Start a trainer on a job, or on a job file that the test has written."""
        folder.mkdir(parents=True, exist_ok=True)
        cold = False
        if not isinstance(job, Path):
            path = folder / f"job-{time.monotonic_ns()}.json"
            write_job(path, job)
            # lightning-fabric starts the processes of further devices by the command line of the first one.
            cold, job = not WARM_START or (isinstance(job, TrainingWork) and job.machine.devices > 1), path
        self.home = folder / "no-home"
        self._events = folder / f"events-{time.monotonic_ns()}.jsonl"
        self._output = [folder / f"{name}-{time.monotonic_ns()}.txt" for name in ("stdout", "stderr")]
        with self._output[0].open("wb") as stdout, self._output[1].open("wb") as stderr:
            command = [f"--job={job}", *flags, "--events", str(self._events)]
            environment = {**os.environ, "HOME": str(self.home), "OMP_NUM_THREADS": "1"}
            self.process = _started(command, environment, stdout, stderr, cold=cold)

    def __enter__(self) -> "Trainer":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()

    @property
    def events(self) -> list[dict]:
        """Its events so far, whole lines only."""
        text = self._events.read_text() if self._events.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    @property
    def stdout(self) -> str:
        return self._output[0].read_text()

    @property
    def stderr(self) -> str:
        return self._output[1].read_text()

    def events_of(self, kind: str) -> list[dict]:
        """Events of one kind."""
        return [event for event in self.events if event["event"] == kind]

    def until(self, condition: Callable[[], object]) -> None:
        """Wait for a condition, which must hold before the process ends."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, f"ended early with {self.process.returncode}: {self.stderr[-2000:]}"
            assert time.monotonic() < deadline, f"nothing in {PATIENCE} s: {self.events[-3:]}"
            time.sleep(0.005)

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(PATIENCE)


@cache
def _server() -> WarmStartServer:
    server = WarmStartServer()
    atexit.register(server.close)
    return server


def _started(
    arguments: list[str], environment: dict[str, str], stdout: IO[bytes], stderr: IO[bytes], *, cold: bool
) -> "subprocess.Popen[bytes] | ForkedProcess":
    if not cold:
        return _server().start(arguments, environment, stdout, stderr)
    command = [sys.executable, "-m", MODULE, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, env=environment)


def detect(folder: Path, weights: Path, data: Path, *splits: Split) -> tuple[Trainer, Path]:
    """Detect on splits; returns the ended process, and the folder with its files."""
    out = folder / "out"
    return run(folder, DetectionWork(data=data, out=out, weights=weights, splits=splits)), out


def run(folder: Path, job: TrainerJob | Path) -> Trainer:
    """Run the trainer to its end."""
    with Trainer(folder, job) as trainer:
        trainer.ended()
    return trainer
