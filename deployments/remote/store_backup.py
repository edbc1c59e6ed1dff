"""Backup of a store in a folder, and back: ``python -m deployments.remote.store_backup save|restore FOLDER``.

The folder has each content once, by its SHA-256, and an index for each backup. Runs may work while it is made: what
was read of an object refers only to what was in the store then, and all of that is in a later listing. So the store
is listed until it shows nothing new.
"""

import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.errors import BadRequest, CorruptObject, NasflowError, NotInStore, StoreError
from tasks.local.files import file_sha256, publish_bytes, publishing
from tasks.storage.s3 import STREAMED_BYTES, Store
from tasks.storage.s3_objects import Entry

THREADS = 8
PASSES = 10
USAGE = "say save FOLDER, or restore FOLDER"

A = TypeVar("A")
B = TypeVar("B")


class Saved(BaseModel):
    """A line of an index: one object of the store."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    etag: str
    size: int
    sha256: str
    content_type: str


def save(store: Store, folder: Path) -> Path:
    """Copy all objects of a store to a folder, except those whose content an earlier backup there has.

    Args:
        store: The store; runs may work in it.
        folder: Folder of all backups of this store.

    Returns:
        The index of this backup, with a line of JSON for each object.

    Raises:
        StoreError: new objects come faster than they are read.
    """
    (folder / "blobs").mkdir(parents=True, exist_ok=True)
    earlier = {(line.key, line.etag, line.size): line for line in (read_index(folder) if _indices(folder) else [])}
    saved: dict[str, Saved] = {}
    vanished: set[str] = set()

    def fetch(entry: Entry) -> Saved | None:
        known = earlier.get((entry.key, entry.etag, entry.size))
        return known if known and _is_there(folder, known) else _fetch(store, entry, folder)

    for _ in range(PASSES):
        new = [entry for entry in store.entries("") if entry.key not in saved and entry.key not in vanished]
        if not new:
            break
        for entry, line in zip(new, _at_once(fetch, new), strict=True):
            if line is None:
                vanished.add(entry.key)
            else:
                saved[line.key] = line
    else:
        raise StoreError(f"{folder}: new objects after {PASSES} listings of the store; back up when less is written")
    index = folder / f"index-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}.jsonl"
    with publishing(index) as temporary:
        temporary.write_text("".join(f"{line.model_dump_json()}\n" for line in saved.values()))
    return index


def restore(store: Store, folder: Path) -> int:
    """Write all objects of the newest backup of a folder to a store. It can be repeated after an interruption.

    Args:
        store: A store without other objects.
        folder: Folder of the backups.

    Returns:
        How many objects the store has now.

    Raises:
        BadRequest: there is no backup, or the store has objects that the backup does not have.
        CorruptObject: the backup is damaged; nothing was written.
    """
    lines = read_index(folder)
    keys = {line.key for line in lines}
    if others := [key for key in store.list("") if key not in keys]:
        raise BadRequest(
            f"{store.uri('')}: has {len(others)} objects that are not in the backup, such as {others[0]}; "
            "restore to an empty bucket or prefix"
        )
    for _ in _at_once(lambda line: _check(folder, line), lines):
        pass
    for _ in _at_once(
        lambda line: store.upload(_blob(folder, line.sha256), line.key, content_type=line.content_type), lines
    ):
        pass
    return len(lines)


def read_index(folder: Path) -> list[Saved]:
    """The lines of the newest index of a folder.

    Raises:
        BadRequest: there is none, or it cannot be read.
    """
    indices = _indices(folder)
    if not indices:
        raise BadRequest(f"{folder}: has no backup of a store (index-....jsonl); name the folder that save was given")
    try:
        return [Saved.model_validate_json(line) for line in indices[-1].read_text().splitlines()]
    except ValidationError as error:
        raise BadRequest(f"{indices[-1]}: {error.errors()[0]['msg']}; remove it to use an earlier one") from None


def _indices(folder: Path) -> list[Path]:
    return sorted(folder.glob("index-*.jsonl"))


def _blob(folder: Path, sha256: str) -> Path:
    return folder / "blobs" / sha256[:2] / sha256


def _is_there(folder: Path, line: Saved) -> bool:
    """Whether a content of an earlier backup has not been removed or cut off since. To read all of them takes long."""
    blob = _blob(folder, line.sha256)
    return blob.is_file() and blob.stat().st_size == line.size


def _fetch(store: Store, entry: Entry, folder: Path) -> Saved | None:
    """Fetch an object; None if it was removed since it was listed.

    Small objects may change all the time, and come in one answer with their ETag. Large ones are never written again.
    """
    temporary = folder / "blobs" / f".{uuid.uuid4().hex}.tmp"
    try:
        content_type, etag = store.content_type(entry.key), entry.etag
        if entry.size < STREAMED_BYTES:
            content, etag = store.get(entry.key)
            publish_bytes(temporary, content)
        else:
            store.fetch(entry.key, temporary)
        sha256, size = file_sha256(temporary), temporary.stat().st_size
        blob = _blob(folder, sha256)
        blob.parent.mkdir(exist_ok=True)
        temporary.replace(blob)
    except NotInStore:
        return None
    finally:
        temporary.unlink(missing_ok=True)
    return Saved(key=entry.key, etag=etag, size=size, sha256=sha256, content_type=content_type)


def _check(folder: Path, line: Saved) -> None:
    blob = _blob(folder, line.sha256)
    if not blob.exists() or file_sha256(blob) != line.sha256:
        raise CorruptObject(f"{blob}: missing or damaged, which is {line.key}; take an earlier copy of the backup")


def _at_once(work: Callable[[A], B], items: Iterable[A]) -> Iterator[B]:
    with ThreadPoolExecutor(THREADS) as threads:
        yield from threads.map(work, items)


def main(arguments: list[str]) -> int:
    """Run the command line, and give its exit code."""
    from deployments.terminal.console import say

    if len(arguments) != 2 or arguments[0] not in ("save", "restore"):
        say(f"error: store_backup {' '.join(arguments)}: not understood; {USAGE}")
        return BadRequest.exit_code
    verb, folder = arguments[0], Path(arguments[1])
    try:
        store = Store.from_environment()
        if verb == "save":
            index = save(store, folder)
            say(f"saved {len(read_index(folder))} objects of {store.uri('')} in {index}")
        else:
            say(f"restored {restore(store, folder)} objects to {store.uri('')}")
    except NasflowError as error:
        say(f"error: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
