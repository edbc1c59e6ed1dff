"""Images by content on this machine, kept from run to run, from which dataset folders are linked.

Safe with several runs at once: every file appears whole, and a link keeps an image that is removed here meanwhile.
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
TOUCH_SECONDS = 3600.0
"""A use is noted by the file's time, at most this often."""


@dataclass(frozen=True)
class BlobCache:
    """A folder of images by SHA-256."""

    folder: Path
    max_bytes: int

    @classmethod
    def of(cls, settings: WorkSettings) -> "BlobCache":
        """This machine's."""
        return cls(settings.work_dir / "blobs", int(settings.cache_gb * 1e9))

    def bring(self, sha256: str, size: int, target: Path, fetch: Callable[[Path], None]) -> None:
        """Put an image at ``target``, as a link, or a copy on another disk.

        Args:
            sha256: Of the image.
            size: Of its file in bytes.
            target: Where to; its folder is there.
            fetch: Brings it to a path, whole and verified, when it is not here.
        """
        path = self.folder / sha256[:2] / sha256
        for _ in range(ATTEMPTS):
            if not _is_sound(path, size, sha256):
                fetch(path)
            with suppress(FileNotFoundError):  # another run made room
                _link(path, target)
                break
        else:
            fetch(target)

    def shrink(self) -> int:
        """Remove the least recently used until no more than ``most_bytes`` are left; gives the bytes removed."""
        files = []
        for path in self.folder.glob("??/*"):
            with suppress(FileNotFoundError):
                facts = path.stat()
                if path.name.startswith("."):  # on its way, or left by a run that was killed
                    if time.time() - facts.st_mtime > STALE_SECONDS:
                        path.unlink(missing_ok=True)
                    continue
                files.append((facts.st_mtime, facts.st_size, path))
        left = sum(size for _, size, _ in files)
        removed = 0
        for _, size, path in sorted(files):
            if left - removed <= self.max_bytes:
                break
            path.unlink(missing_ok=True)
            removed += size
        if removed:
            logger.info("%s: %.1f MB of images that were not used lately are removed", self.folder, removed / 1e6)
        return removed


def _is_sound(path: Path, size: int, sha256: str) -> bool:
    """Whether a file is there and what it was, which counts as a use; disks lose bits over the months."""
    try:
        facts = path.stat()
        if facts.st_size != size or file_sha256(path) != sha256:
            return False
        if time.time() - facts.st_mtime > TOUCH_SECONDS:
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
