"""Whether a store does what we rely on, found out by trying.

Vendors' documentation is not enough: some stores ignore conditions silently. The probe tries what leases, version
numbers and aliases need, in about ten small requests.
"""

import uuid

from tasks.errors import CorruptObject, LostRace, StoreError
from tasks.storage import keys
from tasks.storage.s3 import Store

REMEDY = "use AWS S3, Cloudflare R2, a recent Ceph or SeaweedFS 4.18 or later"


def probe(store: Store) -> None:
    """Write, read back, and check that stale conditional writes are refused; nothing stays behind.

    Raises:
        StoreError: the store ignores or lacks conditional writes.
        CorruptObject: the store returns something else than was written.
        BadSettings, StoreUnavailable: as for any other request.
    """
    key = keys.probe(uuid.uuid4().hex)
    try:
        _probe_content(store, key)
        _probe_create(store, key)
        _probe_replace(store, key)
    finally:
        store.delete([key])


def _probe_content(store: Store, key: str) -> None:
    store.put(key, b"written")
    data, _ = store.get(key)
    if data != b"written":
        raise CorruptObject(f"{store.uri(key)}: {len(data)} other bytes came back than were written; {REMEDY}")
    store.delete([key])


def _probe_create(store: Store, key: str) -> None:
    store.create(key, b"first")
    try:
        store.create(key, b"second")
    except LostRace:
        return
    raise StoreError(f"{store.uri(key)}: the store ignores If-None-Match, two writers would both win; {REMEDY}")


def _probe_replace(store: Store, key: str) -> None:
    _, stale = store.get(key)
    current = store.replace(key, b"third", stale)
    try:
        store.replace(key, b"fourth", stale)
    except LostRace:
        pass
    else:
        raise StoreError(f"{store.uri(key)}: the store ignores If-Match, leases would not hold; {REMEDY}")
    try:
        store.replace(key, b"fifth", current)
    except LostRace:
        raise StoreError(f"{store.uri(key)}: the store refuses If-Match with the right ETag; {REMEDY}") from None
