"""Trying requests to Roboflow again, until they succeed or the deadline comes."""

from collections.abc import Callable
from typing import TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from tasks.errors import RoboflowUnavailable
from tasks.labeling.roboflow.access import ProjectAccess

MAX_ATTEMPTS = 5

Result = TypeVar("Result")


class TryAgain(Exception):
    """A request failed in a way that may pass."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds that the server asks to wait."""


def retried(access: ProjectAccess, subject: str, function: Callable[[], Result]) -> Result:
    """Call ``function`` until it does not raise TryAgain, waiting as the server asks or with exponential backoff.

    Args:
        access: The fetch, with its deadline.
        subject: What the request is about, as messages name it.
        function: Sends a request.

    Returns:
        What ``function`` returns.

    Raises:
        RoboflowUnavailable: MAX_ATTEMPTS failed, or the next wait would pass the deadline.
    """
    backoff = wait_exponential_jitter(multiplier=0.25, max=30, jitter=0.25)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        retry_after = error.retry_after if isinstance(error, TryAgain) else None
        return max(backoff(state), retry_after or 0)

    def give_up(state: RetryCallState) -> Result:
        error = state.outcome.exception() if state.outcome else None
        raise RoboflowUnavailable(f"Roboflow {subject}: {error} ({state.attempt_number} attempts); try again later")

    retrying = Retrying(
        retry=retry_if_exception_type(TryAgain),
        wait=wait,
        stop=lambda state: stop_after_attempt(MAX_ATTEMPTS)(state) or state.upcoming_sleep > access.deadline.left,
        retry_error_callback=give_up,
    )
    return retrying(function)
