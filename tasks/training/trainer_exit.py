"""Why a trainer process ended: from its exit code or signal, its log, and what the kernel counts."""

import signal
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import NasflowError, OutOfMemory, ProcessCrashed, WorkerLost
from tasks.training.contract.events import Failed
from tasks.training.contract.exits import error_class
from tasks.training.contract.fit import OUT_OF, Shortage, read_fit, reduce_fit

WATCHDOG_LINE = "Timeout ("
"""How the trainer's watchdog begins what it writes to the log."""
CRASHES = {signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}
"""Signals by which a process ends itself."""


def kernel_kills(path: Path = Path("/proc/vmstat")) -> int:
    """How many processes the kernel has killed because the machine, or a container of it, ran out of memory."""
    try:
        counts = dict(line.split() for line in path.read_text().splitlines())
    except OSError:
        return 0
    return int(counts.get("oom_kill", 0))


@dataclass(frozen=True)
class TrainerStart:
    """What was so when a trainer was started, which is needed to say why it ended.

    Attributes:
        log: The trainer's log, in the run's folder.
        log_bytes: Size of the log, which is kept over restarts.
        kernel_kills: Processes that the kernel had killed for want of memory.
    """

    log: Path
    log_bytes: int
    kernel_kills: int

    def error_of_exit(self, code: int, error_event: Failed | None) -> NasflowError:
        """What it means that the trainer ended by itself, but not well.

        Args:
            code: Exit code, not 0; minus the number of the signal that ended it.
            error_event: The trainer's last error event, with its message and kind.

        Returns:
            The error to raise.
        """
        if code < 0:
            return self._error_of_signal(-code)
        if error_event is not None:
            return error_class(code, error_event.kind)(error_event.message)
        if code == 1 and (watchdog_line := self._watchdog_line()):
            return WorkerLost(
                f"the trainer made no step any more ({watchdog_line}); where each thread was stands in {self.log}; "
                "started again, it goes on from its last checkpoint"
            )
        return error_class(code)(self._last_log_line())

    def _error_of_signal(self, number: int) -> NasflowError:
        if shortage := self._shortage(number):
            fit = read_fit(self.log.parent)
            return reduce_fit(self.log.parent, fit, shortage) if fit else OutOfMemory(OUT_OF[shortage])
        goes_on = f"started again, it goes on from its last checkpoint; {self._last_log_line()}"
        if number in CRASHES:
            return ProcessCrashed(f"the trainer crashed with {_signal_name(number)}; {goes_on}", _signal_name(number))
        return WorkerLost(f"the trainer was killed by {_signal_name(number)}; {goes_on}")

    def _shortage(self, number: int) -> Shortage | None:
        if number == signal.SIGKILL and kernel_kills() > self.kernel_kills:
            return "memory"
        return "shared memory" if number == signal.SIGBUS else None

    def _watchdog_line(self) -> str | None:
        """The line with which the watchdog ended this trainer, if it did."""
        lines = self.log.read_bytes()[self.log_bytes :].decode(errors="replace").splitlines()
        return next((line for line in lines if line.startswith(WATCHDOG_LINE)), None)

    def _last_log_line(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return f"its log {self.log} ends: {lines[-1][:300]}" if lines else f"its log {self.log} is empty"


def _signal_name(number: int) -> str:
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
