"""Records as JSON objects: read, find, create, replace. What a record means belongs to its stage."""

from typing import TypeVar

from pydantic import ValidationError

from tasks.errors import CorruptObject, NotInStore
from tasks.records import Record
from tasks.storage.s3 import Store

Kind = TypeVar("Kind", bound=Record)

JSON = "application/json"


def read_record(store: Store, key: str, kind: type[Kind]) -> tuple[Kind, str]:
    """Read a record that must exist.

    Args:
        store: The object store.
        key: Key of the object.
        kind: Class of the record.

    Returns:
        The record, and the object's ETag, which ``replace_record`` needs.

    Raises:
        NotInStore: there is no such object.
        CorruptObject: it is not such a record.
    """
    data, etag = store.get(key)
    try:
        return kind.model_validate_json(data), etag
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise CorruptObject(
            f"{store.uri(key)}: not a {kind.__name__}: {field}: {first['msg']}; "
            "it was damaged, or written by another version of nasflow"
        ) from None


def find_record(store: Store, key: str, kind: type[Kind]) -> Kind | None:
    """Read a record that may be missing.

    Args:
        store: The object store.
        key: Key of the object.
        kind: Class of the record.

    Returns:
        The record, or None if there is no such object.

    Raises:
        CorruptObject: the object is not such a record.
    """
    try:
        return read_record(store, key, kind)[0]
    except NotInStore:
        return None


def put_record(store: Store, key: str, record: Record) -> str:
    """Write a record, whether or not there is one already.

    Args:
        store: The object store.
        key: Key of the object.
        record: What to write.

    Returns:
        The object's ETag.
    """
    return store.put(key, _as_json(record), content_type=JSON)


def create_record(store: Store, key: str, record: Record, *, indent: int | None = 1) -> str:
    """Write a record that must not exist yet.

    Args:
        store: The object store.
        key: Key of the object.
        record: What to write.
        indent: Indentation of the JSON; None for large records, which become a third smaller.

    Returns:
        The object's ETag.

    Raises:
        LostRace: the object exists.
    """
    return store.create(key, _as_json(record, indent), content_type=JSON)


def replace_record(store: Store, key: str, record: Record, etag: str) -> str:
    """Write a record in place of the one that has this ETag.

    Args:
        store: The object store.
        key: Key of the object.
        record: What to write.
        etag: The ETag that the object had when it was read.

    Returns:
        The new ETag.

    Raises:
        LostRace: the object was changed or removed since it was read.
    """
    return store.replace(key, _as_json(record), etag, content_type=JSON)


def _as_json(record: Record, indent: int | None = 1) -> bytes:
    return record.model_dump_json(indent=indent).encode()
