"""Waiting until Roboflow has generated a version and exported it, up to a deadline."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.errors import RoboflowRefused, RoboflowUnavailable
from tasks.labeling.roboflow.http import Access, Answer, call, field

log = logging.getLogger(__name__)

NO_VERSION = "there is no such version; take its number from its URL"
_MAX_SECONDS_BETWEEN_POLLS = 10.0
_SECONDS_BETWEEN_LINES = 60.0


@dataclass(frozen=True)
class _NotReady:
    """How far it is, a fraction; None where Roboflow does not say."""

    progress: float | None


def wait_for_export(access: Access, number: int, *, new: bool) -> str:
    """Wait for the version and then for its export, and give the signed link to the zip.

    Args:
        access: What is asked of whom.
        number: Of the version.
        new: Whether it has just been asked for: then it may still be empty, before generating begins.

    Raises:
        RoboflowRefused: the version is empty, generating failed, or it is not offered in COCO format.
        RoboflowUnavailable: not ready within the deadline.
    """
    place = f"{access.workspace}/{access.project} version {number}"
    names = (access.key, access.workspace, access.project, str(number))

    def version() -> object:
        return call(access, place, lambda rfapi: rfapi.get_version(*names, nocache=True), NO_VERSION)

    def export() -> object:
        no = "it is not offered in COCO format; the project has to be one for object detection"
        return call(access, f"{place}, format coco", lambda api: api.get_version_export(*names, format="coco"), no)

    _poll(access, f"version {number}", place, lambda: _generated(version(), place, new=new))
    return _poll(
        access, f"the export of version {number}", f"the COCO export of {place}", lambda: _link(export(), place)
    )


def is_generating(version: Mapping[str, Any]) -> bool:
    """Whether a version is being made, by an answer about it."""
    return bool(version.get("generating"))


def _generated(answer: object, place: str, *, new: bool) -> bool | _NotReady:
    version = field(answer, "version", dict, place)
    _refuse_failed(version, place)
    if is_generating(version):
        return _not_ready(version)
    if field(version, "images", int, place) == 0:
        if new:
            return _NotReady(None)
        raise RoboflowRefused(f"Roboflow {place} is empty (0 images); generate a version with images")
    return True


def _link(answer: object, place: str) -> str | _NotReady:
    if isinstance(answer, dict):
        _refuse_failed(answer, place)
        if answer.get("ready") is False:
            return _not_ready(answer)
    link: str = field(field(answer, "export", dict, place), "link", str, place)
    return link


def _refuse_failed(answer: Mapping[str, Any], place: str) -> None:
    if answer.get("error") or answer.get("failed") or answer.get("status") in ("failed", "error"):
        raise RoboflowRefused(
            f"Roboflow {place}: generating failed there; look at the version in Roboflow, and generate another one"
        )


def _not_ready(answer: Mapping[str, Any]) -> _NotReady:
    progress = answer.get("progress")
    # Roboflow is known to say 148 %.
    return _NotReady(min(1.0, max(0.0, progress)) if isinstance(progress, int | float) else None)


def _poll(access: Access, what: str, place: str, probe: Callable[[], Answer | _NotReady]) -> Answer:
    pause, next_line = 0.25, 0.0
    while isinstance(answer := probe(), _NotReady):
        text = f"waiting for {what}" + ("" if answer.progress is None else f": {100 * answer.progress:.0f} %")
        access.tell(answer.progress or 0.0, 1.0, text)
        if time.monotonic() >= next_line:
            log.info("%s/%s: %s", access.workspace, access.project, text)
            next_line = time.monotonic() + _SECONDS_BETWEEN_LINES
        if access.deadline.left < pause:
            raise RoboflowUnavailable(
                f"Roboflow {place}: not ready after {access.deadline.seconds:g} s; look there whether it is stuck, "
                "or raise NASFLOW_ROBOFLOW_DEADLINE"
            )
        time.sleep(pause)
        pause = min(2 * pause, _MAX_SECONDS_BETWEEN_POLLS)
    return answer
