"""Waiting until Roboflow has generated a version and exported it, up to the deadline."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.errors import RoboflowNotFound, RoboflowRefused, RoboflowUnavailable
from tasks.labeling.roboflow.access import ProjectAccess
from tasks.labeling.roboflow.api import call, field
from tasks.labeling.roboflow.project import get_version, has_failed, is_generating
from tasks.labeling.roboflow.retries import Result

log = logging.getLogger(__name__)

_NO_EXPORT = "it is not offered in COCO format; the project has to be one for object detection"
_MAX_SECONDS_BETWEEN_POLLS = 10.0
_SECONDS_BETWEEN_LOG_LINES = 60.0


@dataclass(frozen=True)
class NotReady:
    """Roboflow still makes what was asked for."""

    progress: float | None
    """A fraction in [0, 1]; None if Roboflow does not say."""


def wait_for_export(access: ProjectAccess, number: int, *, is_new: bool) -> str:
    """Wait for a version, and then for its export.

    Args:
        access: The fetch, with its deadline.
        number: Number of the version.
        is_new: Whether the version was created a moment ago. Then it may be empty, or not be found, for a while.

    Returns:
        The signed link to the zip.

    Raises:
        RoboflowRefused: the version is empty, generating failed, or it is not offered in COCO format.
        RoboflowUnavailable: not ready within the deadline.
    """
    subject = access.version_title(number)

    def ask_version() -> bool | NotReady:
        try:
            version = get_version(access, number)
        except RoboflowNotFound:
            if not is_new:
                raise
            return NotReady(None)
        return _generated(version, subject, is_new=is_new)

    def ask_export() -> str | NotReady:
        return _link(_get_export(access, number), subject)

    poll(access, f"version {number}", subject, ask_version)
    return poll(access, f"the export of version {number}", f"the COCO export of {subject}", ask_export)


def _get_export(access: ProjectAccess, number: int) -> object:
    def ask(adapter: Any) -> object:
        return adapter.get_version_export(access.key, access.workspace, access.project, str(number), format="coco")

    return call(access, f"{access.version_title(number)}, format coco", ask, _NO_EXPORT)


def _generated(version: Mapping[str, Any], subject: str, *, is_new: bool) -> bool | NotReady:
    _refuse_failed(version, subject)
    if is_generating(version):
        return _not_ready(version)
    if is_new and not version.get("images"):
        return NotReady(None)
    if field(version, "images", int, subject) == 0:
        raise RoboflowRefused(f"Roboflow {subject} is empty (0 images); generate a version with images")
    return True


def _link(answer: object, subject: str) -> str | NotReady:
    if isinstance(answer, dict):
        _refuse_failed(answer, subject)
        export, progress = answer.get("export"), answer.get("progress")
        is_begun = isinstance(progress, int | float) and progress < 1 and not export
        has_no_link_yet = isinstance(export, dict) and "link" in export and export["link"] is None
        if answer.get("ready") is False or is_begun or has_no_link_yet:
            return _not_ready(answer)
    link: str = field(field(answer, "export", dict, subject), "link", str, subject)
    return link


def _refuse_failed(answer: Mapping[str, Any], subject: str) -> None:
    if has_failed(answer):
        raise RoboflowRefused(
            f"Roboflow {subject}: generating failed there; look at the version in Roboflow, and generate another one"
        )


def _not_ready(answer: Mapping[str, Any]) -> NotReady:
    progress = answer.get("progress")
    # Roboflow has been seen to answer 148 %.
    return NotReady(min(1.0, max(0.0, progress)) if isinstance(progress, int | float) else None)


def poll(access: ProjectAccess, awaited: str, subject: str, ask: Callable[[], Result | NotReady]) -> Result:
    """Ask until it is ready.

    Args:
        access: The fetch, with its deadline.
        awaited: What is waited for, in progress.
        subject: The same in errors.
        ask: Sends a request.

    Returns:
        What ``ask`` returns in the end.

    Raises:
        RoboflowUnavailable: not ready within the deadline.
    """
    pause, next_log_line = 0.25, 0.0
    while isinstance(answer := ask(), NotReady):
        text = f"waiting for {awaited}" + ("" if answer.progress is None else f": {100 * answer.progress:.0f} %")
        access.on_progress(answer.progress or 0.0, 1.0, text)
        if time.monotonic() >= next_log_line:
            log.info("%s/%s: %s", access.workspace, access.project, text)
            next_log_line = time.monotonic() + _SECONDS_BETWEEN_LOG_LINES
        if access.deadline.left < pause:
            raise RoboflowUnavailable(
                f"Roboflow {subject}: not ready after {access.deadline.seconds:g} s; look there whether it is stuck, "
                "or raise NASFLOW_ROBOFLOW_DEADLINE"
            )
        time.sleep(pause)
        pause = min(2 * pause, _MAX_SECONDS_BETWEEN_POLLS)
    return answer
