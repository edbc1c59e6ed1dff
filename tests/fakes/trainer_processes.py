"""What a trainer process of nasflow does, as a person reads it from its command line."""

import json
from contextlib import suppress
from pathlib import Path

import psutil


def kind_of_job(process: psutil.Process) -> str | None:
    """``train``, ``detect`` or ``export``; None for a process that is no trainer, or has ended."""
    with suppress(psutil.Error, OSError):
        for part in process.cmdline():
            if part.startswith("--job="):
                return json.loads(Path(part.removeprefix("--job=")).read_bytes())["kind"]
    return None
