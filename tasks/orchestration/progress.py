"""Progress and artifacts in Prefect.

A server that does not answer is no reason to stop work: what it cannot show is logged.
"""

import logging
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

logger = logging.getLogger(__name__)

SECONDS_BETWEEN = 2.0
"""Least time between two updates of a progress bar."""


def report_to_server(request: Callable[[], Any]) -> Any:
    """Make a request to Prefect's API, and return its result; a failure is logged, and returns None."""
    try:
        return request()
    except Exception as error:  # noqa: BLE001, whatever the client raises, the work matters more
        logger.warning("not shown in Prefect: %s", error)
        return None


def artifact_key(kind: str, project: str) -> str:
    """The key of a project's artifact; Prefect refuses keys with an underscore, which projects may have."""
    return f"{kind}-{project}".replace("_", "-")


class ProgressBar:
    """One progress artifact of the running task.

    Args:
        unit: What is counted, such as "images".
        key: Key of the artifact; None for one that belongs to its task run alone.
    """

    def __init__(self, unit: str, key: str | None = None) -> None:
        self._unit = unit
        self._key = key
        self._id: UUID | None = None
        self._next = 0.0

    def show(self, done: float, total: float, text: str = "") -> None:
        """Move the bar; the end is always shown, what is before it every two seconds.

        Args:
            done: Units done.
            total: Units in all.
            text: Description of the bar; empty for "3 of 10 images".
        """
        if time.monotonic() < self._next and done < total:
            return
        self._next = time.monotonic() + SECONDS_BETWEEN
        percent = 100.0 * done / max(total, 1)
        description = text or f"{done:g} of {total:g} {self._unit}"
        if self._id is None:
            self._id = report_to_server(lambda: create_progress_artifact(percent, self._key, description))
        else:
            report_to_server(lambda: update_progress_artifact(self._id, percent, description))  # type: ignore[arg-type]
