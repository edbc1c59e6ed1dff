"""A trainer process: started, its events received, and ended. The edge between this process and torch.

The trainer gets a pipe for its JSON lines and a stdin that ends when this process does; its own output goes to a log
file. It runs in a process group of its own, so that it and its child processes can be ended together. A trainer that
has done its job may be given another one: torch takes seconds to load.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from tasks.errors import TrainingStopped, WorkerLost
from tasks.local.threads import in_context
from tasks.training.contract import files
from tasks.training.contract.events import Event, Failed, Finished, Tick, read_event
from tasks.training.launch import environment
from tasks.training.trainer_exit import TrainerStart, kernel_kills

STOP_SECONDS = 25.0
"""Time to finish a step and write a checkpoint; Prefect kills a cancelled flow run's process after 30 s."""


class TrainerProcess:
    """A running trainer, as a context manager: leaving the block ends it, whatever happened.

    Args:
        module: Module to run.
        arguments: Its command line, without those of the pipe and of stdin.
        log: File for its output, in the run's folder.
        stop_seconds: Time that it gets to end when it is asked to stop.
    """

    def __init__(self, module: str, arguments: list[str], log: Path, stop_seconds: float = STOP_SECONDS) -> None:
        # -P: the working folder may have a tasks.py of its own.
        self._command = [sys.executable, "-P", "-m", module, *arguments, "--stop-with-parent"]
        self._log = log
        self._stop_seconds = stop_seconds
        self._asked_to_stop = False
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._last_error: Failed | None = None
        self._finished: Finished | None = None

    def __enter__(self) -> "TrainerProcess":
        read_end, write_end = os.pipe()
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            with self._log.open("ab") as log:
                self._start = TrainerStart(self._log, log.tell(), kernel_kills())
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
        self._reader = threading.Thread(target=in_context(self._read), args=[read_end], daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group."""
        return self._process.pid

    @property
    def waits(self) -> bool:
        """Whether it has done its job, and waits for another one."""
        return self._finished is not None and self._finished.waits and self._process.poll() is None

    def give(self, job_file: Path) -> bool:
        """Give a trainer that waits another job; its output goes to a log beside the job file from here on.

        Args:
            job_file: The job file.

        Returns:
            Whether it takes the job; False if it has ended meanwhile.
        """
        self._finished = None
        self._log = job_file.parent / files.LOG
        self._start = TrainerStart(self._log, self._log.stat().st_size if self._log.exists() else 0, kernel_kills())
        if (stdin := self._process.stdin) is None:
            return False
        try:
            stdin.write(json.dumps(str(job_file)).encode() + b"\n")
            stdin.flush()
        except OSError:
            return False
        return True

    def events(self, tick: float = 1.0) -> Iterator[Event]:
        """Events until the process ends or waits; a Tick when nothing came for ``tick`` seconds."""
        while True:
            try:
                event = self._events.get(timeout=tick)
            except queue.Empty:
                if self._process.poll() is not None:
                    self._kill_group()  # child processes that outlive it keep the pipe open
                yield Tick()
                continue
            if event is None:
                return
            if isinstance(event, Failed):
                self._last_error = event
            elif isinstance(event, Finished):
                self._finished = event
            yield event
            if self._finished and self._finished.waits:
                return

    def result(self) -> None:
        """Wait for the end of the job, and raise an error if the trainer did not succeed.

        Raises:
            TrainingStopped: this process asked it to stop.
            WorkerLost: it was killed, or stopped by somebody else, or made no step any more.
            NasflowError: the trainer's own error, of those in ``exits.EXITS``.
        """
        if self._finished and self._finished.waits:
            return
        if (code := self._process.wait()) == 0 and self._finished:
            return
        if code == 0:
            raise WorkerLost("the trainer was stopped by another process before it began; it is started again")
        if code < 0 and self._asked_to_stop:
            raise TrainingStopped("stopped on request before it could write a checkpoint; run the same again to go on")
        error = self._start.error_of_exit(code, self._last_error)
        if isinstance(error, TrainingStopped) and not self._asked_to_stop:
            raise WorkerLost("the trainer was stopped by another process; started again, it goes on from where it was")
        raise error

    def stop(self) -> None:
        """Ask the trainer to write a checkpoint and end; then kill what is left of its process group."""
        if self._process.poll() is None:
            self._asked_to_stop = True
            self._process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(self._stop_seconds)
        self._kill_group()
        self._process.wait()
        if self._process.stdin:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        self._reader.join(timeout=5)

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def _read(self, descriptor: int) -> None:
        """Put the trainer's lines into the queue, and None at the end."""
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if (event := read_event(line)) is not None:
                    self._events.put(event)
        self._events.put(None)
