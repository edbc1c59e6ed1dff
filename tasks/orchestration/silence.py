"""How long a sign of life has not changed, as far as somebody could see. No clock of another machine takes part."""

import time
from collections.abc import Callable
from typing import Any

Clock = Callable[[], float]
"""Seconds from any start, which never go back."""


class Silence:
    """Counts for how long a sign of life has been the same.

    Only time between two looks that saw something counts, and at most ``longest_step`` of it. So neither an outage nor
    the sleep of the machine that looks is taken for silence.

    Args:
        longest_step: Seconds between two looks that count at most.
        clock: Gives the time of this machine, in seconds.
    """

    def __init__(self, longest_step: float, clock: Clock = time.monotonic) -> None:
        self._longest_step, self._clock = longest_step, clock
        self._sign: Any = None
        self._looked_at: float | None = None
        self._seconds: float | None = None

    def look(self, sign: Any) -> float:
        """Take the sign as it is now.

        Args:
            sign: Anything that changes while what is observed lives.

        Returns:
            Seconds for which it has not changed.
        """
        now = self._clock()
        if self._seconds is None or sign != self._sign:
            self._seconds = 0.0
        elif self._looked_at is not None:
            self._seconds += min(now - self._looked_at, self._longest_step)
        self._sign, self._looked_at = sign, now
        return self._seconds

    def fail(self) -> None:
        """Say that a look saw nothing: the time from the look before it to the one after it does not count."""
        self._looked_at = None
