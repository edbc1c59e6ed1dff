"""The edge to Roboflow: choose a version, wait for its COCO export, and bring the zip to disk whole.

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
from pathlib import Path
from typing import Any

from tasks.errors import BadRequest, BadSettings
from tasks.labeling.formats import zips
from tasks.labeling.roboflow.http import (
    KEY_VARIABLE,
    Access,
    Deadline,
    Progress,
    TryAgain,
    call,
    read_some,
    retried,
    send,
)
from tasks.labeling.roboflow.versions import Generating, choose_version
from tasks.labeling.roboflow.waiting import wait_for_export
from tasks.records import LabelSource
from tasks.settings import RoboflowSettings

log = logging.getLogger(__name__)


def fetch_export(
    settings: RoboflowSettings,
    workspace: str,
    project: str,
    version: int | None,
    target: Path,
    generating: Generating | None = None,
    on_progress: Progress = lambda done, total, text: None,
) -> LabelSource:
    """Download a version's COCO export as a zip.

    Args:
        settings: Key, address, timeout; ``deadline`` is for everything together, in seconds.
        workspace: Workspace as its URL names it.
        project: Project as its URL names it.
        version: Version number; None for the highest.
        target: The zip; written whole and checked, or not at all.
        generating: When to generate a new version first; None for never, as with a version number.
        on_progress: Told how far waiting and downloading are.

    Returns:
        Where the labels came from, with the version's number.

    Raises:
        BadSettings: there is no key.
        BadRequest: a name that no workspace or project can have.
        RoboflowRefused: bad key; no such workspace, project, version or format; empty or failed version; an answer
            that lacks what is needed.
        RoboflowUnavailable: no answer, too many requests, a broken zip, or not ready within the deadline.
    """
    access = _access(settings, workspace, project, on_progress)
    call(access, "the login", functools.partial(_log_in, access.key))
    call(
        access,
        f"workspace {workspace}",
        lambda rfapi: rfapi.get_workspace(access.key, workspace),
        "there is no such workspace; take its name from the project's URL",
    )
    chosen = choose_version(access, version, generating)
    link = wait_for_export(access, chosen.number, new=chosen.new)
    _download(access, chosen.number, link, target)
    log.info("fetched %s/%s version %d: %d bytes", workspace, project, chosen.number, target.stat().st_size)
    return LabelSource(kind="roboflow", name=f"{workspace}/{project}", version=chosen.number)


def _access(settings: RoboflowSettings, workspace: str, project: str, on_progress: Progress) -> Access:
    if not settings.api_key.get_secret_value():
        raise BadSettings(f"environment variable {KEY_VARIABLE} is empty; set it to a private key of the workspace")
    for what, name in (("workspace", workspace), ("project", project)):
        if not re.fullmatch(r"[\w.-]+", name) or name.strip(".") == "":
            raise BadRequest(f"Roboflow {what} {name!r} cannot be; take the name from the project's URL")
    deadline = Deadline(time.monotonic() + settings.deadline, settings.deadline)
    return Access(settings, deadline, workspace, project, on_progress)


def _log_in(key: str, _rfapi: Any) -> object:
    import roboflow

    with contextlib.redirect_stdout(io.StringIO()):  # it greets keys that it takes for dummies
        return roboflow.Roboflow(api_key=key)


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
    response = send(access, place, "GET", link, lambda _: "the link to it no longer holds; start again", stream=True)
    expected = _length(response)
    received, start = 0, time.monotonic()
    with contextlib.closing(response), path.open("wb") as file:
        while chunk := read_some(response, received):
            file.write(chunk)
            received += len(chunk)
            _tell(access, received, expected, time.monotonic() - start)
            if access.deadline.left < 0:
                raise TryAgain(f"not done after {access.deadline.seconds:g} s, {received} bytes received")
    if expected is not None and received != expected:
        raise TryAgain(f"{received} of {expected} bytes received")


def _length(response: Any) -> int | None:
    """Bytes that will come, if the answer says so; of an encoded body its length says nothing."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Content-Encoding" not in response.headers else None


def _tell(access: Access, received: int, expected: int | None, seconds: float) -> None:
    if not expected:
        access.tell(0, 1, f"{received / 1e6:.1f} MB of the zip")
        return
    left = seconds * (expected - received) / received
    access.tell(received, expected, f"{received / 1e6:.1f} of {expected / 1e6:.1f} MB of the zip, {left:.0f} s left")
