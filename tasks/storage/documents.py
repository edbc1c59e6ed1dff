"""Records as JSON objects: read, find, create, replace. What the records mean belongs to whoever keeps them."""

from typing import TypeVar

from pydantic import ValidationError

from tasks.errors import CorruptObject, NotInStore
from tasks.records import Record
from tasks.storage.s3 import Store

Kind = TypeVar("Kind", bound=Record)

JSON = "application/json"


def read_record(store: Store, key: str, kind: type[Kind]) -> tuple[Kind, str]:
    """A record, and the ETag that ``replace_record`` needs.

    Raises:
        NotInStore: there is no such object.
        CorruptObject: it is not such a record.
    """
    data, etag = store.get(key)
    try:
        return kind.model_validate_json(data), etag
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise CorruptObject(
            f"{store.uri(key)}: not a {kind.__name__}: {place}: {first['msg']}; "
            "it was damaged, or written by another version of nasflow"
        ) from None


def find_record(store: Store, key: str, kind: type[Kind]) -> Kind | None:
    """A record, or None if there is no such object.

    Raises:
        CorruptObject: the object is not such a record.
    """
    try:
        return read_record(store, key, kind)[0]
    except NotInStore:
        return None


def put_record(store: Store, key: str, record: Record) -> str:
    """Write a record, whatever was there before; returns its ETag."""
    return store.put(key, _as_json(record), content_type=JSON)


def create_record(store: Store, key: str, record: Record, *, indent: int | None = 1) -> str:
    """Write a record that must not be there yet; returns its ETag.

    Args:
        store: Where to.
        key: Under which key.
        record: What to write.
        indent: For people's eyes; None for a large one, which a third less is sent of.

    Raises:
        LostRace: there is one.
    """
    return store.create(key, _as_json(record, indent), content_type=JSON)


def replace_record(store: Store, key: str, record: Record, etag: str) -> str:
    """Write a record in place of the one with this ETag; returns the new ETag.

    Raises:
        LostRace: it was changed or removed since it was read.
    """
    return store.replace(key, _as_json(record), etag, content_type=JSON)


def _as_json(record: Record, indent: int | None = 1) -> bytes:
    return record.model_dump_json(indent=indent).encode()
