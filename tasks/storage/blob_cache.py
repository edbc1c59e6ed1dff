"""Images by content on this machine, kept from run to run; dataset folders link to them.

Safe with several runs at once: every file appears whole, and a link keeps an image that is removed from the cache.
"""

import logging
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tasks.local.files import file_sha256
from tasks.settings import WorkSettings

logger = logging.getLogger(__name__)

ATTEMPTS = 3
STALE_SECONDS = 86_400.0
"""Age from which a temporary file was left by a killed run."""
TOUCH_SECONDS = 3600.0
"""The modification time of a file notes its last use, and is set at most this often."""


@dataclass(frozen=True)
class BlobCache:
    """A folder of images by SHA-256."""

    folder: Path
    max_bytes: int

    @classmethod
    def of(cls, settings: WorkSettings) -> "BlobCache":
        """The cache of this machine."""
        return cls(settings.work_dir / "blobs", int(settings.cache_gb * 1e9))

    def place(self, sha256: str, size: int, target: Path, fetch: Callable[[Path], None]) -> None:
        """Put an image at ``target``: a link to the cached file, or a copy on another disk.

        Args:
            sha256: SHA-256 of the image.
            size: Size of its file, bytes.
            target: Path of the image; its folder exists.
            fetch: Fetches the image to a path, whole and verified; called when the cache does not have it.
        """
        path = self.folder / sha256[:2] / sha256
        for _ in range(ATTEMPTS):
            if not _is_sound(path, size, sha256):
                fetch(path)
            with suppress(FileNotFoundError):  # removed by another run that made room
                _link(path, target)
                break
        else:
            fetch(target)

    def shrink(self) -> int:
        """Remove the least recently used images until no more than ``max_bytes`` are left; returns bytes removed."""
        files = []
        for path in self.folder.glob("??/*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                if path.name.startswith("."):  # being fetched, or left by a killed run
                    if time.time() - status.st_mtime > STALE_SECONDS:
                        path.unlink(missing_ok=True)
                    continue
                files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        removed = 0
        for _, size, path in sorted(files):
            if total - removed <= self.max_bytes:
                break
            path.unlink(missing_ok=True)
            removed += size
        if removed:
            logger.info("%s: %.1f MB of images that were not used lately are removed", self.folder, removed / 1e6)
        return removed


def _is_sound(path: Path, size: int, sha256: str) -> bool:
    """Whether a cached file exists undamaged, which counts as a use; disks lose bits over the months."""
    try:
        status = path.stat()
        if status.st_size != size or file_sha256(path) != sha256:
            return False
        if time.time() - status.st_mtime > TOUCH_SECONDS:
            os.utime(path)
    except FileNotFoundError:
        return False
    return True


def _link(path: Path, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        try:
            os.link(path, temporary)
        except FileNotFoundError:
            raise
        except OSError:  # another disk, or one without links
            shutil.copyfile(path, temporary)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
