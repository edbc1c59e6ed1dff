"""Threads that compute, and a bounded queue of what waits for them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from deployments.serving.answers import unavailable

R = TypeVar("R")

RETRY_AFTER = 1
"""Seconds after which a client may ask again."""


class Work:
    """All methods are called by the event loop, so that counting needs no lock."""

    def __init__(self, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._pool: ThreadPoolExecutor | None = None
        self._threads = 0
        self._open = 0

    @property
    def waiting(self) -> int:
        """Calls that no thread has taken yet."""
        return max(0, self._open - self._threads)

    def check(self, threads: int) -> None:
        """Check that there is room for one more.

        Raises:
            Refused: there is none.
        """
        if self._open >= threads + self._max_waiting:
            raise unavailable(f"{self.waiting} images wait already; ask again later", RETRY_AFTER)

    async def run(self, call: Callable[[], R], threads: int) -> R:
        """Call a function in a thread.

        Args:
            call: The function.
            threads: How many calls are computed at once; what the first call says holds.

        Returns:
            What it returns.

        Raises:
            Refused: the queue is full.
        """
        if self._pool is None:
            self._pool, self._threads = ThreadPoolExecutor(threads, "detect"), threads
        self.check(self._threads)
        self._open += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        finally:
            self._open -= 1
