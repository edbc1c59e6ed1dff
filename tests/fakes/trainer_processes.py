"""What a trainer process of nasflow does, as a person reads it from its command line."""

import json
from contextlib import suppress
from pathlib import Path

import psutil

from tasks.training.contract import files


def kind_of_job(process: psutil.Process) -> str | None:
    """``train``, ``detect`` or ``export``; None for a process that is no trainer, or has ended.

    The first job of a process is in its command line; the output of each goes to a log beside its file.
    """
    with suppress(psutil.Error, OSError):
        if any(part.startswith("--job=") for part in process.cmdline()):
            log = Path(f"/proc/{process.pid}/fd/1").readlink()
            return json.loads(log.with_name(files.JOB).read_bytes())["kind"]
    return None
