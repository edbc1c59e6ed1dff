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

from tests.fakes.warm_start_server import ForkedProcess, WarmStartServer

TRAIN = "tasks.training.worker"
DETECT = "tasks.training.worker.detect"
EXPORT = "tasks.training.worker.export"
PATIENCE = 240
WARM_START = True
"""Whether trainers are forks of a process that has imported everything. Such a fork cannot use a GPU, since an import
has looked for GPUs before it."""
EVERY_STEP = ("--checkpoint-every-minutes", 0.00001)
"""Options of a trainer that saves after each step."""


class Trainer:
    """One process under way. Its home folder does not exist, and it computes on one thread."""

    def __init__(self, folder: Path, *arguments: object, module: str = TRAIN) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.home = folder / "no-home"
        self._events = folder / f"events-{time.monotonic_ns()}.jsonl"
        self._output = [folder / f"{name}-{time.monotonic_ns()}.txt" for name in ("stdout", "stderr")]
        with self._output[0].open("wb") as stdout, self._output[1].open("wb") as stderr:
            command = [*map(str, arguments), "--events", str(self._events)]
            environment = {**os.environ, "HOME": str(self.home), "OMP_NUM_THREADS": "1"}
            self.process = _started(module, command, environment, stdout, stderr)

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
    module: str, arguments: list[str], environment: dict[str, str], stdout: IO[bytes], stderr: IO[bytes]
) -> "subprocess.Popen[bytes] | ForkedProcess":
    """A new trainer; lightning-fabric starts those of further devices by the command line of the first one."""
    if WARM_START and "--devices" not in arguments:
        return _server().start(module, arguments, environment, stdout, stderr)
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout, stderr=stderr, env=environment)


def detect(folder: Path, weights: Path, data: Path, *splits: str) -> tuple[Trainer, Path]:
    """Detect on splits; returns the ended process, and the folder with its files."""
    out = folder / "out"
    return run(folder, "--weights", weights, "--data", data, "--splits", *splits, "--out", out, module=DETECT), out


def run(folder: Path, *arguments: object, module: str = TRAIN) -> Trainer:
    """Run the trainer to its end."""
    with Trainer(folder, *arguments, module=module) as trainer:
        trainer.ended()
    return trainer
