"""Looks at a source again and again, in a thread of its own, so that no scrape waits for it."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

logger = logging.getLogger(__name__)

FRESH_LOOKS = 3
"""Figures are dropped when the time of so many looks brought no new ones, as when a source hangs."""


@dataclass(frozen=True)
class Status:
    """How the looks at a source went."""

    up: bool
    """Whether the last one succeeded, and is not too long ago."""
    last_success: float | None
    """Unix time of the last one that succeeded."""
    seconds: float
    """How long the last one took."""


class Poller(Generic[T]):
    """The latest figures of a source.

    Args:
        name: The source, for people.
        look: Takes a look; it may raise anything.
        every: Seconds between two looks.
        clock: Gives the time of this machine, in seconds.
    """

    def __init__(
        self, name: str, look: Callable[[], T], every: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name, self._look, self._every, self._clock = name, look, every, clock
        self._last: tuple[T, float] | None = None
        self._last_success: float | None = None
        self._seconds = 0.0
        self._was_up: bool | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"look at {name}", daemon=True)

    def start(self) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Take no further look. One that is under way ends by itself."""
        self._stop.set()

    def fresh(self) -> T | None:
        """What the last look gave; None if it failed, or is too long ago."""
        if (last := self._last) is None:
            return None
        figures, at = last
        return figures if self._clock() - at <= FRESH_LOOKS * self._every else None

    def status(self) -> Status:
        """How the looks went."""
        return Status(self.fresh() is not None, self._last_success, self._seconds)

    def look(self) -> None:
        """Take one look."""
        began = self._clock()
        try:
            figures = self._look()
        except Exception as error:  # noqa: BLE001, whatever a source does, the next look is made
            self._last = None
            # An error may hold an address with a password, so that it is not repeated here.
            self._say(False, f"{self._name}: no answer ({type(error).__name__}); `nasflow doctor` says why")
        else:
            self._last, self._last_success = (figures, self._clock()), time.time()
            self._say(True, f"{self._name}: answers")
        self._seconds = self._clock() - began

    def _say(self, up: bool, message: str) -> None:
        if up != self._was_up:
            logger.log(logging.INFO if up else logging.WARNING, "%s", message)
        self._was_up = up

    def _work(self) -> None:
        while not self._stop.is_set():
            self.look()
            self._stop.wait(self._every)
