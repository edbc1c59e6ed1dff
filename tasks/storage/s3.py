"""The object store: objects by key, and files that are sent and fetched whole and verified.

The modules ``s3`` and ``s3_...`` are the only door to boto3. Bytes, files, keys and
conditions belong here; what they mean does not.
"""

import hashlib
import io
import logging
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from boto3.s3.transfer import TransferConfig

from tasks.errors import CorruptObject, NotInStore
from tasks.local.files import file_sha256
from tasks.records import StoredFile
from tasks.settings import StoreSettings, from_environment
from tasks.storage.s3_links import MAX_SECONDS, Link, sign_link
from tasks.storage.s3_objects import BINARY, ObjectStore
from tasks.storage.unchanged_file import UnchangedFile

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

MULTIPART_BYTES = 96 * 1024**2
"""Files from this size on go in parts, all of this size but the last.

Each part is a request. It is also what is sent again when a connection breaks: at 1 MB/s a minute and a half. The
weights of YOLO-NAS S have 76 MB and go whole; AWS advises parts from about 100 MB on.
"""
STREAMED_BYTES = 8 * 1024**2
"""Files from this size on come in pieces, not as one in memory, and are asked for again when the connection breaks."""
_TRANSFER = TransferConfig(multipart_threshold=MULTIPART_BYTES, multipart_chunksize=MULTIPART_BYTES, max_concurrency=4)
_TRANSFER.max_in_memory_upload_chunks = 2  # else ten parts at once
RENEWED_AFTER = timedelta(hours=1)
"""Younger objects are not copied onto themselves: housekeeping keeps everything for a day at least."""


@dataclass(frozen=True)
class OpenUpload:
    """An upload in parts that was begun, and neither completed nor removed."""

    key: str
    upload_id: str
    begun: datetime


Uploads = list[OpenUpload]
"""``Store.list`` hides the builtin where methods are annotated."""


class Store(ObjectStore):
    """One bucket under one prefix: its objects, and files. Safe to share between threads.

    Every method may raise StoreUnavailable (worth another try) and BadSettings (a person has to change something).
    """

    @classmethod
    def from_environment(cls) -> "Store":
        """The store that ``NASFLOW_STORE_*`` names; one in this process, since to make a client takes long.

        Raises:
            BadSettings: a variable is missing or wrong.
        """
        aws = frozenset((name, value) for name, value in os.environ.items() if name.startswith("AWS_"))
        return _store_of(from_environment(StoreSettings), aws)

    def upload(
        self, path: Path, key: str | Callable[[str], str], *, content_type: str = BINARY, is_new: bool = False
    ) -> StoredFile:
        """Send a file, unless the store has an object with its size and SHA-256 already, and verify that it arrived.

        The file is opened once, so its name may be given to a newer file meanwhile.

        Args:
            path: The file.
            key: A function that makes the key from the content's SHA-256 in hex; or a key, if all who ever write to it
                write the same.
            content_type: MIME type that readers are told.
            is_new: Send it without a look whether the store has it, which most likely it has not.

        Returns:
            Key, SHA-256 and size of the object.

        Raises:
            StoreError: the file was changed while it was read; nothing is left in the store.
            CorruptObject: the store has something else than was sent.
        """
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            stored = StoredFile(key=key if isinstance(key, str) else key(sha256), sha256=sha256, size=file.tell())
            if not is_new and self._holds(stored):
                logger.debug("%s is in the store already", stored.key)
                return stored
            options = {"ContentType": content_type, "Metadata": {"sha256": sha256}, **self._encryption()}
            self._request(f"upload {path} to {stored.key}", lambda client: self._send(client, file, stored, options))
        if not self._holds(stored):
            raise CorruptObject(f"{self.uri(stored.key)}: not what was just uploaded from {path}; upload it again")
        return stored

    def _send(self, client: "S3Client", file: IO[bytes], stored: StoredFile, options: dict[str, Any]) -> None:
        file.seek(0)
        address = self._address(stored.key)
        source = UnchangedFile(file, stored)
        if stored.size < MULTIPART_BYTES:
            client.put_object(**address, Body=source.read(stored.size), **options)
        else:
            client.upload_fileobj(source, **address, ExtraArgs=options, Config=_TRANSFER)  # type: ignore[arg-type]

    def upload_in_parts(self, data: bytes, key: str, metadata: dict[str, str]) -> None:
        """Send bytes as large files are sent, however few they are.

        Args:
            data: The content.
            key: Key of the object.
            metadata: What the store keeps with it.
        """
        options = {"ContentType": BINARY, "Metadata": metadata, **self._encryption()}
        in_parts = TransferConfig(multipart_threshold=1)
        self._request(
            f"upload {len(data)} bytes in parts to {key}",
            lambda client: client.upload_fileobj(
                io.BytesIO(data), **self._address(key), ExtraArgs=options, Config=in_parts
            ),
        )

    def _holds(self, stored: StoredFile) -> bool:
        """Whether the store says that it has an object of this size and SHA-256."""
        head = self._head(stored.key)
        if head is None:
            return False
        return head["ContentLength"] == stored.size and head["Metadata"].get("sha256") == stored.sha256

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
        """Fetch an object into a temporary file, which is renamed to ``path`` if the block finds nothing wrong."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            with temporary.open("xb") as file:
                self._request(f"download {key}", lambda client: self._receive(client, key, size, file))
                file.flush()
                os.fsync(file.fileno())
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    def _receive(self, client: "S3Client", key: str, size: int, file: IO[bytes]) -> None:
        file.seek(0)
        file.truncate()
        address = self._address(key)
        if size < STREAMED_BYTES:
            file.write(client.get_object(**address)["Body"].read())
        else:
            client.download_fileobj(**address, Fileobj=file, Config=_TRANSFER)

    def renew(self, key: str) -> None:
        """Copy an object onto itself if it is old, so that housekeeping takes it for a new one.

        Only for objects that whoever writes them writes the same: a copy could undo another's change.

        Raises:
            NotInStore: there is no such object.
        """
        head = self._head(key)
        if head is None:
            raise NotInStore(f"{self.uri(key)}: no such object; check the key")
        if self._answered_at(head["ResponseMetadata"]["HTTPHeaders"]) - head["LastModified"] < RENEWED_AFTER:
            return
        # The store refuses a copy onto itself that changes nothing.
        kept = {"ContentType": head.get("ContentType", BINARY), "Metadata": head["Metadata"]}
        options = {"MetadataDirective": "REPLACE", **kept, **self._encryption()}
        source, target = self._address(key), self._address(key)
        self._request(
            f"renew {key}",
            lambda client: client.copy(source, **target, ExtraArgs=options, Config=_TRANSFER),  # type: ignore[arg-type]
        )

    def open_uploads(self, prefix: str) -> Uploads:
        """Unfinished uploads under ``prefix``: those that go on, and those of killed processes."""
        bucket, start = self._settings.bucket, self._prefix + prefix

        def call(client: "S3Client") -> Uploads:
            pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=start)
            return [
                OpenUpload(upload["Key"].removeprefix(self._prefix), upload["UploadId"], upload["Initiated"])
                for page in pages
                for upload in page.get("Uploads", [])
            ]

        return self._request(f"list uploads under {prefix}", call)

    def uploaded_bytes(self, upload: OpenUpload) -> int:
        """How many bytes of an unfinished upload have arrived; 0 if it is not there any more."""

        def call(client: "S3Client") -> int:
            pages = client.get_paginator("list_parts").paginate(**self._address(upload.key), UploadId=upload.upload_id)
            return sum(part["Size"] for page in pages for part in page.get("Parts", []))

        try:
            return self._request(f"look at an upload of {upload.key}", call)
        except NotInStore:
            return 0

    def abort_uploads(self, prefix: str) -> None:
        """Remove unfinished uploads of killed processes under ``prefix``; only for its sole writer."""
        for upload in self.open_uploads(prefix):
            logger.info("removing a half-finished upload of %s", upload.key)
            self.abort(upload)

    def abort(self, upload: OpenUpload) -> None:
        """Remove an unfinished upload, if it is still there."""
        with suppress(NotInStore):
            self._request(
                f"remove an upload of {upload.key}",
                lambda client: client.abort_multipart_upload(**self._address(upload.key), UploadId=upload.upload_id),
            )

    def link(self, key: str, seconds: int = MAX_SECONDS) -> Link:
        """A signed URL that reads one object without credentials; it is itself a secret while it works."""
        with self._translated(f"sign a link to {key}"):
            return sign_link(self._settings, self._address(key), seconds)


@lru_cache(maxsize=1)
def _store_of(settings: StoreSettings, _aws: frozenset[tuple[str, str]]) -> Store:
    """The store of these settings; boto3 reads what they leave out from the variables of AWS."""
    return Store(settings)
