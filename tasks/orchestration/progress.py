"""Progress where people look for it in Prefect.

A server that does not answer is no reason to stop work, so what cannot be told is logged and left.
"""

import logging
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

logger = logging.getLogger(__name__)

SECONDS_BETWEEN = 2.0
"""A bar moves, at most, this often."""


def report_to_server(tell: Callable[[], Any]) -> Any:
    """Do something with Prefect's API; a failure is logged and gives None."""
    try:
        return tell()
    except Exception as error:  # noqa: BLE001, whatever the client raises, the work matters more
        logger.warning("not shown in Prefect: %s", error)
        return None


def artifact_key(what: str, project: str) -> str:
    """The key of what is shown of a project; Prefect refuses keys with an underscore, which projects may have."""
    return f"{what}-{project}".replace("_", "-")


class ProgressBar:
    """One progress artifact of the task that runs."""

    def __init__(self, what: str, key: str | None = None) -> None:
        self._what = what
        self._key = key
        self._id: UUID | None = None
        self._next = 0.0

    def show(self, done: float, total: float, text: str = "") -> None:
        """Move the bar to ``done`` of ``total``; the end is always shown."""
        if time.monotonic() < self._next and done < total:
            return
        self._next = time.monotonic() + SECONDS_BETWEEN
        percent = 100.0 * done / max(total, 1)
        description = text or f"{done:g} of {total:g} {self._what}"
        if self._id is None:
            self._id = report_to_server(lambda: create_progress_artifact(percent, self._key, description))
        else:
            report_to_server(lambda: update_progress_artifact(self._id, percent, description))  # type: ignore[arg-type]
