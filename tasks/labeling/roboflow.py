"""The edge to Roboflow: resolve a version, wait for its COCO export, and bring the zip to disk whole.

The ``roboflow`` package knows the API and how to authenticate, so its login and its API adapter are used. Its
``Version.download()`` and ``export()`` are not: they take any folder that is there for a finished download, never check
status, length or CRC, print the signed link on failure, and wait without limit, for an empty version as well. Its
``Workspace`` and ``Project`` objects print, and need answer fields that an export does not.
"""

import contextlib
import functools
import io
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks.errors import BadRequest, BadSettings, RoboflowRefused, RoboflowUnavailable
from tasks.labeling import zips
from tasks.labeling.roboflow_http import (
    KEY_VARIABLE,
    Access,
    Answer,
    Deadline,
    TryAgain,
    call,
    read_some,
    retried,
    send,
)
from tasks.records import LabelSource
from tasks.settings import RoboflowSettings

log = logging.getLogger(__name__)

_MOST_SECONDS_BETWEEN_POLLS = 10.0


def fetch_export(
    settings: RoboflowSettings, workspace: str, project: str, version: int | None, target: Path
) -> LabelSource:
    """Download a version's COCO export as a zip.

    Args:
        settings: Key, address, timeout; ``deadline`` is for everything together, in seconds.
        workspace: Workspace as its URL names it.
        project: Project as its URL names it.
        version: Version number; None for the highest.
        target: The zip; written whole and checked, or not at all.

    Returns:
        Where the labels came from, with the version's number.

    Raises:
        BadSettings: there is no key.
        BadRequest: a name that no workspace or project can have.
        RoboflowRefused: bad key; no such workspace, project or version; empty or failed version; an answer that lacks
            what is needed.
        RoboflowUnavailable: no answer, too many requests, a broken zip, or not ready within the deadline.
    """
    access = _access(settings, workspace, project)
    call(access, "the login", functools.partial(_log_in, access.key))
    call(access, f"workspace {workspace}", lambda rfapi: rfapi.get_workspace(access.key, workspace))
    number = _resolve(access, version)
    link = _export_link(access, number)
    _download(access, number, link, target)
    log.info("fetched %s/%s version %d: %d bytes", workspace, project, number, target.stat().st_size)
    return LabelSource(kind="roboflow", name=f"{workspace}/{project}", version=number)


def _access(settings: RoboflowSettings, workspace: str, project: str) -> Access:
    if not settings.api_key.get_secret_value():
        raise BadSettings(f"environment variable {KEY_VARIABLE} is empty; set it to a private key of the workspace")
    for what, name in (("workspace", workspace), ("project", project)):
        if not re.fullmatch(r"[\w.-]+", name) or name.strip(".") == "":
            raise BadRequest(f"Roboflow {what} {name!r} cannot be; take the name from the project's URL")
    deadline = Deadline(time.monotonic() + settings.deadline, settings.deadline)
    return Access(settings, deadline, workspace, project)


# What is asked ------------------------------------------------------------------------------------


def _log_in(key: str, _rfapi: Any) -> object:
    import roboflow

    with contextlib.redirect_stdout(io.StringIO()):  # it greets keys that it takes for dummies
        return roboflow.Roboflow(api_key=key)


def _resolve(access: Access, version: int | None) -> int:
    """The version's number; the highest for None."""
    place = f"project {access.workspace}/{access.project}"
    answer = call(access, place, lambda rfapi: rfapi.get_project(access.key, access.workspace, access.project))
    numbers = []
    for item in _field(answer, "versions", list, place):
        number = str(_field(item, "id", str, place)).rpartition("/")[2]
        if number.isdigit():
            numbers.append(int(number))
    if not numbers:
        raise RoboflowRefused(f"Roboflow {place} has no version; generate one there first")
    if version is not None and version not in numbers:
        known = ", ".join(map(str, sorted(numbers)[-10:]))
        raise RoboflowRefused(f"Roboflow {place} has no version {version}; it has {known}")
    return max(numbers) if version is None else version


def _export_link(access: Access, number: int) -> str:
    """Wait for the version and then for its export, and give the signed link to the zip."""
    place = f"{access.workspace}/{access.project} version {number}"
    names = (access.key, access.workspace, access.project, str(number))
    _poll(
        access,
        place,
        lambda: _generated(call(access, place, lambda api: api.get_version(*names, nocache=True)), place),
    )
    return _poll(
        access,
        f"the COCO export of {place}",
        lambda: _exported(call(access, place, lambda api: api.get_version_export(*names, format="coco")), place),
    )


def _generated(answer: object, place: str) -> bool | None:
    version = _field(answer, "version", dict, place)
    _refuse_failed(version, place)
    if version.get("generating"):
        _note_progress(version, place)
        return None
    if _field(version, "images", int, place) == 0:
        raise RoboflowRefused(f"Roboflow {place} is empty (0 images); generate a version with images")
    return True


def _exported(answer: object, place: str) -> str | None:
    if not isinstance(answer, dict):
        raise _lacks("an object", place)
    _refuse_failed(answer, place)
    if answer.get("ready") is False:
        _note_progress(answer, place)
        return None
    link: str = _field(_field(answer, "export", dict, place), "link", str, place)
    return link


def _refuse_failed(answer: Mapping[str, Any], place: str) -> None:
    if answer.get("error") or answer.get("failed") or answer.get("status") in ("failed", "error"):
        raise RoboflowRefused(f"Roboflow {place}: generating failed there; look at the version in Roboflow")


def _note_progress(answer: Mapping[str, Any], place: str) -> None:
    progress = answer.get("progress")
    if isinstance(progress, int | float):  # Roboflow is known to say 148 %
        log.info("%s: not ready yet, %d %%", place, min(100, max(0, round(100 * progress))))


def _poll(access: Access, what: str, probe: Callable[[], Answer | None]) -> Answer:
    pause = 0.25
    while (answer := probe()) is None:
        if access.deadline.left < pause:
            raise RoboflowUnavailable(
                f"Roboflow {what}: not ready after {access.deadline.seconds:g} s; look there whether it is stuck, "
                "or raise NASFLOW_ROBOFLOW_DEADLINE"
            )
        time.sleep(pause)
        pause = min(2 * pause, _MOST_SECONDS_BETWEEN_POLLS)
    return answer


def _field(answer: object, name: str, kind: type, place: str) -> Any:
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, kind):
        raise _lacks(name, place)
    return value


def _lacks(name: str, place: str) -> RoboflowRefused:
    return RoboflowRefused(f"Roboflow {place}: the answer lacks {name}; check NASFLOW_ROBOFLOW_API_URL")


# The zip ------------------------------------------------------------------------------------------


def _download(access: Access, number: int, link: str, target: Path) -> None:
    """Bring the zip to ``target``: status, length and CRC checked, then renamed."""
    place = f"{access.workspace}/{access.project} version {number}, download of the zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.tmp")

    def once() -> None:
        _receive(access, place, link, temporary)
        if damage := zips.first_damage(temporary):
            raise TryAgain(damage)

    try:
        retried(access, place, once)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _receive(access: Access, place: str, link: str, path: Path) -> None:
    response = send(access, place, "GET", link, stream=True)
    expected = response.headers.get("Content-Length")
    received = 0
    with contextlib.closing(response), path.open("wb") as file:
        while chunk := read_some(response, received):
            file.write(chunk)
            received += len(chunk)
            if access.deadline.left < 0:
                raise TryAgain(f"not done after {access.deadline.seconds:g} s, {received} bytes received")
    if expected and expected.isdigit() and "Content-Encoding" not in response.headers and received != int(expected):
        raise TryAgain(f"{received} of {expected} bytes received")
