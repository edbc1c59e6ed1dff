"""Downloading the zip of an export: status, length and CRC checked, then renamed."""

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import Any

from tasks.labeling.formats import zips
from tasks.labeling.roboflow.access import ProjectAccess
from tasks.labeling.roboflow.http import Request, read_chunk, send
from tasks.labeling.roboflow.retries import TryAgain, retried

_OLD_LINK = "the link to it no longer holds; start again"


def download_zip(access: ProjectAccess, title: str, link: str, target: Path) -> None:
    """Download the zip of an export.

    Args:
        access: The fetch, with its deadline.
        title: What was exported, for messages.
        link: The signed link.
        target: The zip, written whole and checked, or not at all.

    Raises:
        RoboflowRefused: the link does not hold.
        RoboflowUnavailable: no whole zip within the deadline.
    """
    subject = f"{title}, download of the zip"
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.tmp")

    def attempt() -> None:
        _receive(access, subject, link, temporary)
        if damage := zips.first_damage(temporary):
            raise TryAgain(damage)

    try:
        retried(access, subject, attempt)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _receive(access: ProjectAccess, subject: str, link: str, path: Path) -> None:
    response = send(access, subject, Request("GET", link, stream=True), lambda _status: _OLD_LINK)
    expected = _content_length(response)
    received, start = 0, time.monotonic()
    with contextlib.closing(response), path.open("wb") as file:
        while chunk := read_chunk(response, received):
            file.write(chunk)
            received += len(chunk)
            _report(access, received, expected, time.monotonic() - start)
            if access.deadline.left < 0:
                raise TryAgain(f"not done after {access.deadline.seconds:g} s, {received} bytes received")
    if expected is not None and received != expected:
        raise TryAgain(f"{received} of {expected} bytes received")


def _content_length(response: Any) -> int | None:
    """Number of bytes to come; None if it is unknown, or is the length of an encoded body."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdigit() and "Content-Encoding" not in response.headers else None


def _report(access: ProjectAccess, received: int, expected: int | None, seconds: float) -> None:
    if not expected:
        access.on_progress(0, 1, f"{received / 1e6:.1f} MB of the zip")
        return
    seconds_left = seconds * (expected - received) / received
    text = f"{received / 1e6:.1f} of {expected / 1e6:.1f} MB of the zip, {seconds_left:.0f} s left"
    access.on_progress(received, expected, text)
