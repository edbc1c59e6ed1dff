"""What the parent of a trainer asks for: to stop, and further jobs."""

import json
import os
import signal
import sys
import threading
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

from tasks.training.contract import files


class Requests:
    """Requests by signals, and by lines of stdin.

    Args:
        from_stdin: Whether stdin is the parent's: each of its lines is the path of a job file as a JSON string, and its
            end tells that the parent died.

    Attributes:
        stop: Set by SIGTERM, SIGINT, and the end of stdin.
        are_taken: Whether this process waits for further jobs when it has done one.
    """

    def __init__(self, *, from_stdin: bool) -> None:
        self.stop = threading.Event()
        self.are_taken = from_stdin
        self._jobs: SimpleQueue[Path | None] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        if from_stdin:
            threading.Thread(target=self._read, daemon=True).start()

    def take_no_more(self) -> None:
        """End after the present job."""
        self.are_taken = False

    def next_job(self) -> Path | None:
        """Wait for a further job, whose folder gets this process's output from here on; None if this process ends."""
        if not self.are_taken or self.stop.is_set() or (path := self._jobs.get()) is None:
            return None
        sys.stdout.flush()
        sys.stderr.flush()
        log = os.open(path.parent / files.LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.close(log)
        return path

    def _read(self) -> None:
        try:
            with os.fdopen(0, closefd=False) as lines:
                for line in lines:
                    self._jobs.put(Path(json.loads(line)))
        finally:  # after a line that cannot be read, too: nobody would notice the end of the parent
            self._stop()

    def _stop(self, number: int = 0, frame: FrameType | None = None) -> None:
        self.stop.set()
        self._jobs.put(None)  # of a SimpleQueue, so that a signal handler may
