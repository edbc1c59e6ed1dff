"""Folders for temporary files on a worker, which are removed even if the run is killed."""

import fcntl
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

logger = logging.getLogger(__name__)

PREFIX = "passing-"
STALE_SECONDS = 60.0
"""A folder younger than this may be about to be locked."""


@contextmanager
def scratch_folder(scratch: Path) -> Iterator[Path]:
    """A new folder for temporary files, locked while it is in use; folders of killed runs are removed first."""
    scratch.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(scratch)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=scratch))
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a disk without locks: then no folder is ever found abandoned
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _remove_abandoned(scratch: Path) -> None:
    """Remove folders that nobody has locked: the system releases the locks of a killed process."""
    for folder in scratch.glob(f"{PREFIX}*"):
        with suppress(OSError):  # removed by another run, or still locked
            if time.time() - folder.stat().st_mtime < STALE_SECONDS:
                continue
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                logger.info("%s was left by a run that was killed; it is removed", folder)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(descriptor)
