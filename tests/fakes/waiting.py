"""Waiting for what must happen. Tests do not measure how soon it does: a slow machine would have got there."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 900.0
"""Seconds that a condition may take."""


def wait_for(condition: Callable[[], T], what: str = "it", pause: float = 0.3, seconds: float = PATIENCE) -> T:
    """The first true value that a condition returns.

    Args:
        condition: Asked again and again.
        what: For the error.
        pause: Seconds between two questions.
        seconds: How long it is asked.

    Raises:
        TimeoutError: it did not happen.
    """
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(pause)
    raise TimeoutError(f"{what} did not happen within {seconds:g} s")
