"""Writing to a disk that may be full."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import DiskFull

MIN_FREE_BYTES = 1_000_000
"""A disk with fewer bytes than this counts as full, whatever the words of the error."""


@contextmanager
def disk_full_reported(folder: Path) -> Iterator[None]:
    """Turn an error of writing into DiskFull, if the disk is full. Libraries hide the system's error in their own.

    Args:
        folder: The folder that is written into.

    Raises:
        DiskFull: with what to do.
    """
    try:
        yield
    except Exception as error:
        free = shutil.disk_usage(folder).free
        if getattr(error, "errno", None) not in (errno.ENOSPC, errno.EDQUOT) and free >= MIN_FREE_BYTES:
            raise
        raise DiskFull(
            f"{folder}: no room to write, {free / 1e6:.0f} MB are free; free some, and run the same again: "
            "what was finished is used again"
        ) from None
