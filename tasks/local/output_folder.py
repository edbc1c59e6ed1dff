"""The folder that a verb publishes its results in: its own or empty, and complete once its last file is there."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import BadRequest
from tasks.local.files import publish_bytes

UNFINISHED = ".unfinished"
"""Where a run writes, beside the results of the run before."""
MARKS = {verb: f".nasflow-{verb}" for verb in ("detect", "suggest", "relabel")}
"""By verb: a file that says that all in its folder is results, and that is locked by the run that writes there."""


@dataclass(frozen=True)
class Outputs:
    """What a verb publishes in a folder."""

    verb: str
    published: tuple[str, ...]
    """Files and folders, in the order in which they are published; they are removed in the opposite one."""
    kept: tuple[str, ...] = ()
    """What else it has there, and does not replace."""

    @property
    def mark(self) -> str:
        """Name of the file that marks the folder as the verb's."""
        return MARKS[self.verb]


def has_results(folder: Path) -> bool:
    """Whether a folder holds results of a verb."""
    return any((folder / mark).exists() for mark in MARKS.values())


@contextmanager
def output_folder(out: Path, outputs: Outputs) -> Iterator[Path]:
    """Claim a folder, and publish in it what the block writes into the folder that it gets.

    Results of an earlier run stay until those of this one are whole.

    Args:
        out: The folder; created if it does not exist.
        outputs: What is published.

    Yields:
        An empty folder to write in.

    Raises:
        BadRequest: the folder holds something else, cannot be written, or another run writes there.
    """
    try:
        descriptor = _claim(out, outputs)
    except OSError as error:
        raise BadRequest(f"--out {out}: {error.strerror}; name a folder that can be written") from None
    unfinished = out / UNFINISHED
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
        yield unfinished
        _publish(unfinished, out, outputs)
    except OSError as error:
        raise BadRequest(f"--out {out}: {error.strerror}; make room there, or name another folder") from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
        os.close(descriptor)


def _claim(out: Path, outputs: Outputs) -> int:
    """Mark a folder as ours, and lock it; gives the descriptor that holds the lock."""
    out.mkdir(parents=True, exist_ok=True)
    mark = out / outputs.mark
    names = {path.name for path in out.iterdir() if not path.name.startswith(f".{outputs.mark}.")}
    foreign = sorted(names - {outputs.mark, UNFINISHED, *outputs.published, *outputs.kept} if mark.exists() else names)
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        what = f"has {foreign[0]}{more}, not from `nasflow {outputs.verb}`"
        raise BadRequest(f"--out {out}: {what}; name a new or empty folder")
    if not mark.exists():
        writer = f"nasflow {outputs.verb}"
        publish_bytes(mark, f"Everything beside this file was written by {writer}, which may replace it.\n".encode())
    descriptor = os.open(mark, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        what = f"another nasflow {outputs.verb} writes there"
        raise BadRequest(f"--out {out}: {what}; wait for it, or name a new one") from None
    except OSError:
        pass  # a disk without locks: then nobody is kept from writing at once
    return descriptor


def _publish(unfinished: Path, out: Path, outputs: Outputs) -> None:
    """Put new results in the place of old ones; without the last file a folder is not complete."""
    for name in reversed(outputs.published):
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for name in outputs.published:
        if (unfinished / name).exists():
            (unfinished / name).rename(out / name)
