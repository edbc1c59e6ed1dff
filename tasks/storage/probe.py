"""What is checked before a store is used: its settings, and whether it really keeps what we rely on.

Vendors' tables do not tell: some stores ignore conditions silently. What the probe tries is what leases, version
numbers and aliases need; it takes some ten small requests.
"""

import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tasks.errors import BadSettings, CorruptObject, LostRace, StoreError
from tasks.settings import StoreSettings

if TYPE_CHECKING:
    from tasks.storage.s3 import Store

REMEDY = "use AWS S3, Cloudflare R2, a recent Ceph or SeaweedFS 4.18 or later"


def check_settings(settings: StoreSettings) -> None:
    """Refuse settings that cannot work, or that boto3 would take to mean something else.

    Raises:
        BadSettings: with the variable to set.
    """
    if not settings.endpoint:
        raise BadSettings(
            "NASFLOW_STORE_ENDPOINT is empty; set it to the URL of your S3 API "
            "(for AWS, https://s3.<region>.amazonaws.com), or run `nasflow up` for a local store"
        )
    if urlsplit(settings.endpoint).scheme not in ("http", "https") or not urlsplit(settings.endpoint).hostname:
        raise BadSettings(
            f"NASFLOW_STORE_ENDPOINT is {settings.endpoint}, not a URL; begin it with https:// (or http:// inside)"
        )
    if not settings.bucket:
        raise BadSettings("NASFLOW_STORE_BUCKET is empty; set it to the name of a bucket that exists")
    if bool(settings.access_key_id) != bool(settings.secret_access_key.get_secret_value()):
        raise BadSettings(
            "of NASFLOW_STORE_ACCESS_KEY_ID and NASFLOW_STORE_SECRET_ACCESS_KEY one is empty; set both or neither"
        )
    if settings.ca_bundle is not None and not settings.ca_bundle.is_file():
        raise BadSettings(f"NASFLOW_STORE_CA_BUNDLE is {settings.ca_bundle}, and no file is there; correct the path")


def probe(store: "Store") -> None:
    """Write, read back, and see that stale conditional writes are refused; leaves nothing behind.

    Raises:
        StoreError: the store ignores or lacks conditional writes.
        CorruptObject: it gives back something else than was written.
        BadSettings, StoreUnavailable: as for any other request.
    """
    key = f"probe/{uuid.uuid4().hex}"
    try:
        _probe_content(store, key)
        _probe_create(store, key)
        _probe_replace(store, key)
    finally:
        store.delete([key])


def _probe_content(store: "Store", key: str) -> None:
    store.put(key, b"written")
    data, _ = store.get(key)
    if data != b"written":
        raise CorruptObject(f"{store.uri(key)}: {len(data)} other bytes came back than were written; {REMEDY}")
    store.delete([key])


def _probe_create(store: "Store", key: str) -> None:
    store.create(key, b"first")
    try:
        store.create(key, b"second")
    except LostRace:
        return
    raise StoreError(f"{store.uri(key)}: the store ignores If-None-Match, two writers would both win; {REMEDY}")


def _probe_replace(store: "Store", key: str) -> None:
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
