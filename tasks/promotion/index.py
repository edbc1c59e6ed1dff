"""The index of a project: copies of its small records in one object, so that hundreds of versions are read at once.

A copy counts as long as the listing has the ETag that it was made from. So the index may be old, cut off, or missing:
what it lacks is read by itself, and nothing but time is lost.
"""

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from pydantic import Field, ValidationError

from tasks.errors import CorruptObject, NasflowError, NotInStore
from tasks.local.threads import in_context
from tasks.records import Part, Record
from tasks.storage import keys
from tasks.storage.documents import find_record, put_record, read_record
from tasks.storage.s3 import Store
from tasks.storage.s3_objects import Entry

logger = logging.getLogger(__name__)

THREADS = 8
"""Records that are read at a time: they are small, so most of the time goes by waiting for answers."""
KEPT_FROM = 2
"""So many records that were read by themselves are worth writing the index; the page of each run reads two or more."""

Kind = TypeVar("Kind", bound=Record)


class _Copy(Part):
    etag: str = Field(description="ETag of the object when it was copied.")
    content: str = Field(description="The record as JSON.")


class _Copies(Record):
    """models/<project>/index.json."""

    copies: dict[str, _Copy] = Field(description="Copies of records, by key.")


class ProjectIndex:
    """The records of a project as a listing found them.

    Args:
        store: Store of the registry.
        project: The project.
    """

    def __init__(self, store: Store, project: str) -> None:
        self._store, self._key = store, keys.project_index(project)
        self._entries = store.entries(keys.models(project))
        self._copies = self._read_copies() if any(entry.key == self._key for entry in self._entries) else {}
        self._read_anew = 0

    def numbers(self, file_name: str) -> list[int]:
        """Version numbers, in order, that have a file of this name."""
        return sorted(self._versions(file_name))

    def read(self, file_name: str, kind: type[Kind]) -> dict[int, Kind]:
        """Read one record of each version.

        Args:
            file_name: Name of the file below the version.
            kind: Class of the record.

        Returns:
            Records by version number, in order. A record that was removed since the listing is left out.

        Raises:
            CorruptObject: an object is not such a record.
        """
        found = self._versions(file_name)
        records = {number: self._copied(entry, kind) for number, entry in found.items()}
        missing = [number for number, record in records.items() if record is None]
        with ThreadPoolExecutor(THREADS) as pool:
            fetched = pool.map(in_context(partial(self._fetch, kind)), [found[number].key for number in missing])
            for number, read in zip(missing, fetched, strict=True):
                if read is not None:
                    records[number], etag = read
                    self._copies[found[number].key] = _Copy(etag=etag, content=read[0].model_dump_json())
                    self._read_anew += 1
        return {number: record for number, record in sorted(records.items()) if record is not None}

    def keep(self) -> None:
        """Write the index, if enough was read that it lacks. A store that refuses it, is warned of alone."""
        if self._read_anew < KEPT_FROM:
            return
        present = {entry.key for entry in self._entries}
        copies = {key: copy for key, copy in self._copies.items() if key in present}
        try:
            put_record(self._store, self._key, _Copies(copies=copies))
        except NasflowError as error:
            logger.warning("%s; the records are read by themselves the next time, too", error)
        self._read_anew = 0

    def _versions(self, file_name: str) -> dict[int, Entry]:
        """The objects of this name, by version number."""
        pattern = re.compile(rf"/(\d+)/{re.escape(file_name)}$")
        matches = ((pattern.search(entry.key), entry) for entry in self._entries)
        return {int(match[1]): entry for match, entry in matches if match}

    def _copied(self, entry: Entry, kind: type[Kind]) -> Kind | None:
        copy = self._copies.get(entry.key)
        if copy is None or copy.etag != entry.etag:
            return None
        try:
            return kind.model_validate_json(copy.content)
        except ValidationError:  # a copy by another nasflow
            return None

    def _fetch(self, kind: type[Kind], key: str) -> tuple[Kind, str] | None:
        try:
            return read_record(self._store, key, kind)
        except NotInStore:
            return None

    def _read_copies(self) -> dict[str, _Copy]:
        try:
            found = find_record(self._store, self._key, _Copies)
        except CorruptObject as error:
            logger.warning("%s; the records are read by themselves", error)
            return {}
        return dict(found.copies) if found else {}
