"""Files that appear whole or not at all, and their digests."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.errors import DiskFull


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def publishing(path: Path) -> Iterator[Path]:
    """Write a file that appears whole or not at all: the block writes a temporary file, which is synced and renamed."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def publish_bytes(path: Path, content: bytes) -> None:
    """Write a file that appears whole or not at all."""
    with publishing(path) as temporary:
        temporary.write_bytes(content)


def disk_full(error: OSError) -> DiskFull | None:
    """The error to raise where there is no room on the disk; None if the error says something else."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return None
    where = error.filename2 or error.filename or "disk"  # of a copy, the second one is what was written
    return DiskFull(f"{where}: {error.strerror}; free some, and run it again")
