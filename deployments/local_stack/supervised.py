"""A process of the local stack that is started again when it ends, after growing waits."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from deployments.local_stack import processes
from tasks.errors import ServerProblem

Process = subprocess.Popen[bytes]

MAX_WAIT_SECONDS = 60
QUIET_SECONDS = 180
"""After so long without an end, the next one is the first again."""
ANSWER_SECONDS = 300
"""A process that does not answer by then counts as one that did not come up."""
MAX_FAILED_STARTS = 5
STOP_SECONDS = 10


class Supervised:
    """A process that is looked after by calls of ``check``, in the thread that started it."""

    def __init__(
        self,
        name: str,
        log: Path | str,
        launch: Callable[[], Process],
        answers: Callable[[Process], bool],
        say: Callable[[str], None],
    ) -> None:
        """Describe the process; the first ``check`` starts it, unless it is adopted.

        Args:
            name: What people call it.
            log: File with its output, or words that say where it is.
            launch: Starts it, without waiting.
            answers: Whether it does its work.
            say: Takes a line when it ends.
        """
        self.process: Process | None = None
        self._name, self._log = name, log
        self._launch, self._answers, self._say = launch, answers, say
        self._up = False
        self._ends = 0
        self._failed_starts = 0
        self._started = self._up_since = 0.0
        self._start_at = 0.0

    def adopt(self, process: Process | None) -> None:
        """Look after a process that is up already."""
        self.process, self._up, self._up_since = process, True, time.monotonic()

    def check(self) -> bool:
        """Start the process if it has ended, and its wait is over.

        Returns:
            Whether it is up.

        Raises:
            ServerProblem: it did not come up several times in a row.
        """
        now = time.monotonic()
        if self.process is None:
            if now >= self._start_at:
                self.process, self._started = self._launch(), now
        elif (code := self.process.poll()) is not None:
            self._has_ended(f"ended with code {code}" if code >= 0 else f"was killed by signal {-code}")
        elif self._up:
            if now - self._up_since > QUIET_SECONDS:
                self._ends = 0
        elif self._answers(self.process):
            self._up, self._failed_starts, self._up_since = True, 0, now
        elif now - self._started > ANSWER_SECONDS:
            processes.stop(self.process, STOP_SECONDS)
            self._has_ended(f"did not answer for {ANSWER_SECONDS} s")
        return self._up

    def _has_ended(self, how: str) -> None:
        self._failed_starts += not self._up
        if self._failed_starts >= MAX_FAILED_STARTS:
            raise ServerProblem(
                f"{self._name} did not come up {MAX_FAILED_STARTS} times in a row, at last it {how}; see {self._log}"
            )
        wait = min(2**self._ends, MAX_WAIT_SECONDS)
        self._say(f"{self._name} {how}; starting it again in {wait} s; see {self._log}")
        self._ends += 1
        self.process, self._up, self._start_at = None, False, time.monotonic() + wait
