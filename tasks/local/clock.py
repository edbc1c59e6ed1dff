"""Clocks of this machine that nobody sets."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

REMIND_SECONDS = 60.0


def _boot_seconds() -> float:
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


@dataclass(frozen=True)
class Clock:
    """A clock that measures durations.

    Attributes:
        now: Returns seconds since some moment.
        sleep: Waits for a number of seconds.
    """

    now: Callable[[], float] = _boot_seconds
    sleep: Callable[[float], None] = time.sleep


BOOT_CLOCK = Clock()
"""Goes on while the machine sleeps, where the system has such a clock (Linux)."""


class OncePerMinute:
    """Says when a line that would be logged often is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._next: float | None = None

    def is_due(self) -> bool:
        """Whether the last time that this was true is a minute ago or more."""
        now = self._clock.now()
        if self._next is not None and now < self._next:
            return False
        self._next = now + REMIND_SECONDS
        return True
