"""Whether a store does what we rely on, found out by trying.

Vendors' documentation is not enough: some stores ignore conditions silently. The probe tries what leases, version
numbers, aliases, files and housekeeping need, in about twenty small requests.
"""

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tasks.errors import CorruptObject, LostRace, NasflowError, StoreError
from tasks.storage import keys
from tasks.storage.s3 import Store

REMEDY = "use AWS S3, Cloudflare R2, Ceph from Tentacle (20.2.1) on, or SeaweedFS from 4.18 on"
_IN_PARTS = b"in parts"


def probe(store: Store) -> None:
    """Write, read back, send in parts, list, and check that stale conditional writes are refused; nothing stays behind.

    Raises:
        StoreError: the store ignores, refuses or lacks something; the message names the step.
        CorruptObject: the store returns something else than was written.
        BadSettings, StoreUnavailable: as for any other request, with the step.
    """
    key = keys.probe(uuid.uuid4().hex)
    try:
        with _step("write and read an object"):
            _probe_content(store, key)
        with _step("write an object only if there is none"):
            _probe_create(store, key)
        with _step("write an object only if it is unchanged"):
            _probe_replace(store, key)
        with _step("send an object in parts, with metadata"):
            _probe_parts(store, key)
        with _step("list objects"):
            _probe_listing(store, key)
    except NasflowError:
        with suppress(NasflowError):  # the step that failed is what counts
            store.delete([key])
        raise
    with _step("delete an object"):
        store.delete([key])


@contextmanager
def _step(name: str) -> Iterator[None]:
    """Name the step in every error."""
    try:
        yield
    except NasflowError as error:
        raise type(error)(f"trying the store, to {name}: {error}") from None


def _probe_content(store: Store, key: str) -> None:
    store.put(key, b"written")
    data, _ = store.get(key)
    if data != b"written":
        raise CorruptObject(f"{store.uri(key)}: {len(data)} other bytes came back than were written; {REMEDY}")
    store.delete([key])


def _probe_create(store: Store, key: str) -> None:
    try:
        store.create(key, b"first")
    except LostRace:
        raise StoreError(
            f"{store.uri(key)}: If-None-Match is refused, though there is no such object; {REMEDY}"
        ) from None
    try:
        store.create(key, b"second")
    except LostRace:
        return
    raise StoreError(f"{store.uri(key)}: the store ignores If-None-Match, two writers would both win; {REMEDY}")


def _probe_replace(store: Store, key: str) -> None:
    _, first = store.get(key)
    second = _replace_unchanged(store, key, first)
    try:
        store.replace(key, b"stale", first)
    except LostRace:
        _replace_unchanged(store, key, second)
    else:
        raise StoreError(f"{store.uri(key)}: the store ignores If-Match, leases would not hold; {REMEDY}")


def _replace_unchanged(store: Store, key: str, etag: str) -> str:
    try:
        return store.replace(key, uuid.uuid4().bytes, etag)
    except LostRace:
        raise StoreError(
            f"{store.uri(key)}: If-Match is refused, though the ETag is right, as Ceph before Tentacle does; {REMEDY}"
        ) from None


def _probe_parts(store: Store, key: str) -> None:
    digest = hashlib.sha256(_IN_PARTS).hexdigest()
    store.upload_in_parts(_IN_PARTS, key, {"sha256": digest})
    if store.get(key)[0] != _IN_PARTS:
        raise CorruptObject(f"{store.uri(key)}: other bytes came back than were sent in parts; {REMEDY}")
    if (kept := store.metadata(key).get("sha256")) != digest:
        raise StoreError(
            f"{store.uri(key)}: the store keeps no metadata (sha256 is {kept!r}), so files could not be verified; "
            f"{REMEDY}, and see whether a proxy before it drops x-amz-meta- headers"
        )


def _probe_listing(store: Store, key: str) -> None:
    if (found := store.list(key)) != [key]:
        raise StoreError(f"{store.uri(key)}: a listing of it has {len(found)} objects, not this one; {REMEDY}")
