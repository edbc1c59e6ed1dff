"""The only door to boto3: one bucket of an S3-compatible store, seen through a prefix.

Bytes, files, keys and conditions belong here; what they mean does not. The ETag is only a token for conditional
writes, never a checksum: content is known by the SHA-256 that we compute ourselves.
"""

import hashlib
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import boto3
import urllib3.exceptions
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import RetriesExceededError

from tasks.errors import CorruptObject, LostRace, NotInStore
from tasks.local.files import file_sha256
from tasks.records import StoredFile
from tasks.settings import StoreSettings, from_environment
from tasks.storage.s3_errors import is_stale, is_status, is_untold, translate
from tasks.storage.settings_check import check_settings
from tasks.storage.unchanged_file import UnchangedFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

logger = logging.getLogger(__name__)

T = TypeVar("T")
Keys = list[str]
"""``Store.list`` hides the builtin where methods are annotated."""

MULTIPART_BYTES = 8 * 1024**2
"""Files from this size on go in parts, all of this size but the last."""
CONFLICT_ATTEMPTS = 4
"""Tries of a conditional write that the store answers with 409, which means neither yes nor no."""
DELETE_THREADS = 8
LINK_DAYS = 7
"""The longest that signed links may hold."""
BINARY = "application/octet-stream"
BOTO_ERRORS = (ClientError, BotoCoreError, Boto3Error, RetriesExceededError, urllib3.exceptions.HTTPError)
_TRANSFER = TransferConfig(multipart_threshold=MULTIPART_BYTES, multipart_chunksize=MULTIPART_BYTES, max_concurrency=4)


class Store:
    """One bucket under one prefix. Safe to share between threads.

    Every method may raise StoreUnavailable (worth another try) and BadSettings (a person has to change something).
    """

    def __init__(self, settings: StoreSettings) -> None:
        check_settings(settings)
        self._settings = settings
        self._prefix = f"{stripped}/" if (stripped := settings.prefix.strip("/")) else ""
        self._lock = threading.Lock()
        self._client = _make_client(settings)

    @classmethod
    def from_environment(cls) -> "Store":
        """The store that ``NASFLOW_STORE_*`` names.

        Raises:
            BadSettings: a variable is missing or wrong.
        """
        return cls(from_environment(StoreSettings))

    def get(self, key: str) -> tuple[bytes, str]:
        """Content of an object, and its ETag for ``replace``.

        Raises:
            NotInStore: there is no such object.
        """

        def call(client: "S3Client") -> tuple[bytes, str]:
            answer = client.get_object(**self._place(key))
            return answer["Body"].read(), answer["ETag"]

        return self._ask(f"read {key}", call)

    def put(self, key: str, data: bytes, *, content_type: str = BINARY) -> str:
        """Write an object, whatever was there before; returns its ETag."""
        return self._write(key, data, content_type, {})

    def create(self, key: str, data: bytes, *, content_type: str = BINARY) -> str:
        """Write an object that must not be there yet; returns its ETag.

        Raises:
            LostRace: it is there.
        """
        return self._write_if(key, data, content_type, {"IfNoneMatch": "*"})

    def replace(self, key: str, data: bytes, etag: str, *, content_type: str = BINARY) -> str:
        """Write an object that must still have this ETag; returns the new one.

        Raises:
            LostRace: it was changed or removed since it was read.
        """
        return self._write_if(key, data, content_type, {"IfMatch": etag})

    def _write_if(self, key: str, data: bytes, content_type: str, condition: dict[str, str]) -> str:
        """A conditional write, whose answer may get lost.

        boto3 sends a request again when the connection broke before the answer came. If the first one was carried out,
        the second is refused because of our own object, which is known by the token in its metadata.
        """
        token = uuid.uuid4().hex
        more = {**condition, "Metadata": {"writer": token}}
        try:
            return self._write(key, data, content_type, more)
        except NotInStore:
            # AWS answers 404 to If-Match on a removed object, others 412.
            raise LostRace(f"{self.uri(key)}: removed by another writer; read again and decide anew") from None
        except LostRace:
            there = self._head(key)
            if there is not None and there["Metadata"].get("writer") == token:
                return there["ETag"]
            raise

    def _write(self, key: str, data: bytes, content_type: str, more: dict[str, Any]) -> str:
        place = self._place(key)

        def call(client: "S3Client") -> str:
            return client.put_object(**place, Body=data, ContentType=content_type, **more)["ETag"]

        return self._ask(f"write {key}", lambda client: _without_conflict(lambda: call(client)))

    def upload(self, path: Path, key: str | Callable[[str], str], *, content_type: str = BINARY) -> StoredFile:
        """Send a file, unless an object with its size and SHA-256 is there already, and see that it arrived.

        The file is opened once, so its name may be given to a newer file meanwhile.

        Args:
            path: The file.
            key: Where to, or a function that makes the key from the content's SHA-256 in hex.
            content_type: MIME type that readers are told.

        Raises:
            StoreError: the file was changed while it was read; nothing is left in the store.
            CorruptObject: the store has something else than was sent.
        """
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            name = key if isinstance(key, str) else key(sha256)
            stored = StoredFile(key=name, sha256=sha256, size=file.tell())
            if self._holds(stored):
                logger.debug("%s is in the store already", stored.key)
                return stored
            extra = {"ContentType": content_type, "Metadata": {"sha256": sha256}}
            self._ask(f"upload {path} to {name}", lambda client: self._send(client, file, stored, extra))
        if not self._holds(stored):
            raise CorruptObject(f"{self.uri(name)}: not what was just uploaded from {path}; upload it again")
        return stored

    def _send(self, client: "S3Client", file: IO[bytes], stored: StoredFile, extra: dict[str, Any]) -> None:
        file.seek(0)
        place = self._place(stored.key)
        source = UnchangedFile(file, stored)
        if stored.size < MULTIPART_BYTES:
            client.put_object(**place, Body=source.read(stored.size), **extra)
        else:
            client.upload_fileobj(source, **place, ExtraArgs=extra, Config=_TRANSFER)  # type: ignore[arg-type]

    def _holds(self, stored: StoredFile) -> bool:
        there = self._head(stored.key)
        if there is None:
            return False
        return there["ContentLength"] == stored.size and there["Metadata"].get("sha256") == stored.sha256

    def download(self, stored: StoredFile, path: Path) -> None:
        """Fetch a file, so that it is at ``path`` whole and verified or not at all.

        Raises:
            NotInStore: there is no such object.
            CorruptObject: its size or SHA-256 is not the one that was recorded.
        """
        with self._received(stored.key, stored.size, path) as temporary:
            size, sha256 = temporary.stat().st_size, file_sha256(temporary)
            if (size, sha256) != (stored.size, stored.sha256):
                raise CorruptObject(
                    f"{self.uri(stored.key)}: {size} bytes with SHA-256 {sha256}, recorded were {stored.size} bytes "
                    f"with {stored.sha256}; the object is damaged: delete it, then write it again"
                )

    def fetch(self, key: str, path: Path) -> None:
        """Fetch a file whose digest nobody recorded, so that it is at ``path`` whole or not at all.

        Raises:
            NotInStore: there is no such object.
            CorruptObject: it came with another size than the store says it has.
        """
        expected = self.size(key)
        with self._received(key, expected, path) as temporary:
            if (size := temporary.stat().st_size) != expected:
                raise CorruptObject(f"{self.uri(key)}: {size} of {expected} bytes came; was it written meanwhile?")

    @contextmanager
    def _received(self, key: str, size: int, path: Path) -> Iterator[Path]:
        """Bring an object to a temporary file, which gets its name if the block finds nothing wrong with it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("xb") as file:
                self._ask(f"download {key}", lambda client: self._receive(client, key, size, file))
                file.flush()
                os.fsync(file.fileno())
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _receive(self, client: "S3Client", key: str, size: int, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()
        place = self._place(key)
        if size < MULTIPART_BYTES:
            file.write(client.get_object(**place)["Body"].read())
        else:
            client.download_fileobj(**place, Fileobj=file, Config=_TRANSFER)

    def exists(self, key: str) -> bool:
        """Say whether there is an object under this key."""
        return self._head(key) is not None

    def size(self, key: str) -> int:
        """Size of an object in bytes.

        Raises:
            NotInStore: there is none.
        """
        head = self._head(key)
        if head is None:
            raise NotInStore(f"{self.uri(key)}: no such object; check the key")
        return head["ContentLength"]

    def _head(self, key: str) -> "HeadObjectOutputTypeDef | None":
        def call(client: "S3Client") -> "HeadObjectOutputTypeDef":
            try:
                return client.head_object(**self._place(key))
            except ClientError as error:
                if is_untold(error):
                    client.get_object(**self._place(key))["Body"].close()  # fails with the reason
                raise

        with suppress(NotInStore):
            return self._ask(f"look for {key}", call)
        return None

    def list(self, prefix: str) -> Keys:
        """All keys that begin with ``prefix``, sorted here since not every store sorts as AWS does."""

        def call(client: "S3Client") -> Keys:
            pages = client.get_paginator("list_objects_v2").paginate(
                Bucket=self._settings.bucket, Prefix=self._prefix + prefix
            )
            return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

        return sorted(key.removeprefix(self._prefix) for key in self._ask(f"list {prefix}", call))

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects; those that are not there are passed over.

        One request each: the request for many needs a checksum that some stores refuse.
        """

        def one(key: str) -> None:
            with suppress(NotInStore):
                self._ask(
                    f"delete {key}",
                    lambda client: client.delete_object(**self._place(key)),
                )

        with ThreadPoolExecutor(DELETE_THREADS) as pool:
            list(pool.map(one, keys))

    def abort_uploads(self, prefix: str) -> None:
        """Remove what killed processes left of uploads under ``prefix``. Only for who alone writes there."""
        bucket, start = self._settings.bucket, self._prefix + prefix
        found = self._ask(
            f"list uploads under {prefix}", lambda client: client.list_multipart_uploads(Bucket=bucket, Prefix=start)
        )
        for upload in found.get("Uploads", []):
            key, number = upload["Key"], upload["UploadId"]
            logger.info("removing a half-finished upload of %s", key)
            self._abort(key, number)

    def _abort(self, key: str, number: str) -> None:
        bucket = self._settings.bucket
        with suppress(NotInStore):
            self._ask(
                f"remove an upload of {key}",
                lambda client: client.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=number),
            )

    def link(self, key: str, seconds: int) -> str:
        """A signed URL that reads one object without credentials; it is itself a secret for ``seconds``."""
        place = self._place(key)
        return self._ask(
            f"sign a link to {key}",
            lambda client: client.generate_presigned_url("get_object", Params=place, ExpiresIn=seconds),
        )

    def uri(self, key: str) -> str:
        """An object's address for people: s3://bucket/prefix/key."""
        return f"s3://{self._settings.bucket}/{self._prefix}{key}"

    def _place(self, key: str) -> dict[str, Any]:
        """Arguments that name an object to boto3."""
        return {"Bucket": self._settings.bucket, "Key": self._prefix + key}

    def _ask(self, what: str, call: Callable[["S3Client"], T]) -> T:
        """Make a request; once more with a fresh client if credentials or signature had grown old."""
        client = self._client
        try:
            return call(client)
        except BOTO_ERRORS as error:
            if not is_stale(error):
                # The cause could hold a signed URL.
                raise translate(error, self._settings, what) from None
        try:
            return call(self._renewed(client))
        except BOTO_ERRORS as error:
            raise translate(error, self._settings, what) from None

    def _renewed(self, old: "S3Client") -> "S3Client":
        with self._lock:
            if self._client is old:
                logger.info("credentials or signature refused as too old; signing in again at the store")
                self._client = _make_client(self._settings)
            return self._client


def _without_conflict(write: Callable[[], str]) -> str:
    """Try a write again that is answered with 409, which means neither yes nor no."""
    for attempt in range(1, CONFLICT_ATTEMPTS):
        try:
            return write()
        except ClientError as error:
            if not is_status(error, 409):
                raise
            time.sleep(0.1 * attempt)
    return write()


def _make_client(settings: StoreSettings) -> "S3Client":
    """A client of its own session, so that boto3's chain reads credentials afresh."""
    host = urlsplit(settings.endpoint).hostname or ""
    on_aws = host == "amazonaws.com" or host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    checksums = settings.checksums
    if checksums == "auto":
        # Other stores refuse boto3's default checksum headers, or the chunked bodies that carry them.
        checksums = "when_supported" if on_aws else "when_required"
    session = boto3.Session(
        aws_access_key_id=settings.access_key_id or None,
        aws_secret_access_key=settings.secret_access_key.get_secret_value() or None,
        region_name=settings.region,
    )
    config = Config(
        signature_version="s3v4",  # links too: boto3 signs them by version 2 otherwise
        s3={} if on_aws else {"addressing_style": "path"},
        request_checksum_calculation=checksums,
        response_checksum_validation=checksums,
        connect_timeout=10,
        read_timeout=60,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=32,
    )
    verify = str(settings.ca_bundle) if settings.ca_bundle else None
    return session.client("s3", endpoint_url=settings.endpoint, config=config, verify=verify)
