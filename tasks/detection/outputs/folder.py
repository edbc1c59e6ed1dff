"""The folder that results are published in: ours or empty, and complete once it has an index.html."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.detection.results import MARK
from tasks.errors import BadRequest
from tasks.local.files import publish_bytes

UNFINISHED = ".unfinished"
"""Where a run writes, beside the results of the run before."""
IMAGES, THUMBNAILS, PAGES = "images", "thumbnails", "pages"
FOLDERS = (IMAGES, THUMBNAILS, PAGES)
DETECTIONS, TABLE, INDEX = "detections.json", "detections.csv", "index.html"
PUBLISHED = (*FOLDERS, DETECTIONS, TABLE, INDEX)
"""What is published, in this order; it is removed in the opposite one."""


@contextmanager
def output_folder(out: Path) -> Iterator[Path]:
    """Claim a folder, and publish in it what the block writes into the folder that it gets.

    Results of an earlier run stay until those of this one are whole.

    Args:
        out: The folder; created if it does not exist.

    Yields:
        An empty folder to write in.

    Raises:
        BadRequest: the folder holds something else, cannot be written, or another run writes there.
    """
    try:
        descriptor = _claim(out)
    except OSError as error:
        raise BadRequest(f"--out {out}: {error.strerror}; name a folder that can be written") from None
    unfinished = out / UNFINISHED
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        yield unfinished
        _publish(unfinished, out)
    except OSError as error:
        raise BadRequest(f"--out {out}: {error.strerror}; make room there, or name another folder") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        os.close(descriptor)


def _claim(out: Path) -> int:
    """Mark a folder as ours, and lock it; gives the descriptor that holds the lock."""
    out.mkdir(parents=True, exist_ok=True)
    mark = out / MARK
    names = {path.name for path in out.iterdir() if not path.name.startswith(f".{MARK}.")}
    foreign = sorted(names - {MARK, UNFINISHED, *PUBLISHED} if mark.exists() else names)
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise BadRequest(f"--out {out}: has {foreign[0]}{more}, not from `nasflow detect`; name a new or empty folder")
    if not mark.exists():
        publish_bytes(mark, b"Everything beside this file was written by nasflow detect, which may replace it.\n")
    descriptor = os.open(mark, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise BadRequest(f"--out {out}: another nasflow detect writes there; wait for it, or name a new one") from None
    except OSError:
        pass  # a disk without locks: then nobody is kept from writing at once
    return descriptor


def _publish(unfinished: Path, out: Path) -> None:
    """Put new results in the place of old ones; without an index.html a folder is not complete."""
    for name in reversed(PUBLISHED):
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name in PUBLISHED:
        if (unfinished / name).exists():
            (unfinished / name).rename(out / name)
