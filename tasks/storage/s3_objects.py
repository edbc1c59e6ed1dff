"""Objects of a bucket: read, written, written on a condition, listed and deleted.

The ETag is only a token for conditional writes, never a checksum: content is known by the SHA-256 that we compute
ourselves. Files belong to ``s3.py``; what objects mean belongs to whoever keeps them.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from tasks.errors import LostRace, NotInStore, StoreError
from tasks.local.threads import in_context
from tasks.storage.s3_client import Bucket
from tasks.storage.s3_errors import has_no_reason, is_status

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

Keys = list[str]
"""``ObjectStore.list`` hides the builtin where methods are annotated."""
Entries = list["Entry"]

CONFLICT_ATTEMPTS = 4
"""Attempts of a conditional write that the store answers with 409, which means neither yes nor no."""
DELETE_THREADS = 8
BINARY = "application/octet-stream"


@dataclass(frozen=True)
class Entry:
    """What a listing says about an object."""

    key: str
    size: int
    modified: datetime
    """When it was last written, by the store's clock."""
    etag: str = ""
    """Another one after each write of other content."""


class ObjectStore(Bucket):
    """The objects of one bucket under one prefix."""

    def get(self, key: str) -> tuple[bytes, str]:
        """Content of an object, and its ETag for ``replace``.

        Raises:
            NotInStore: there is no such object.
        """

        def call(client: "S3Client") -> tuple[bytes, str]:
            answer = client.get_object(**self._address(key))
            return answer["Body"].read(), _etag(answer)

        return self._request(f"read {key}", call)

    def put(self, key: str, data: bytes, *, content_type: str = BINARY) -> str:
        """Write an object, whether or not there is one already.

        Args:
            key: Key of the object, without the prefix.
            data: Its content.
            content_type: MIME type that readers are told.

        Returns:
            The object's ETag.
        """
        return self._put_object(key, data, content_type, {})

    def create(self, key: str, data: bytes, *, content_type: str = BINARY) -> str:
        """Write an object that must not exist yet.

        Args:
            key: Key of the object, without the prefix.
            data: Its content.
            content_type: MIME type that readers are told.

        Returns:
            The object's ETag.

        Raises:
            LostRace: the object exists.
        """
        return self._put_if(key, data, content_type, {"IfNoneMatch": "*"})

    def replace(self, key: str, data: bytes, etag: str, *, content_type: str = BINARY) -> str:
        """Write an object that must still have a certain ETag.

        Args:
            key: Key of the object, without the prefix.
            data: Its new content.
            etag: The ETag that it had when it was read.
            content_type: MIME type that readers are told.

        Returns:
            The new ETag.

        Raises:
            LostRace: the object was changed or removed since it was read.
        """
        return self._put_if(key, data, content_type, {"IfMatch": etag})

    def _put_if(self, key: str, data: bytes, content_type: str, condition: dict[str, str]) -> str:
        """A conditional write, whose answer may get lost.

        boto3 sends a request again when the connection broke before the answer came. If the first one was carried out,
        the second is refused because of our own object, which is known by the token in its metadata.
        """
        token = uuid.uuid4().hex
        options = {**condition, "Metadata": {"writer": token}}
        try:
            return self._put_object(key, data, content_type, options)
        except NotInStore:
            # AWS answers 404 to If-Match on a removed object, others 412.
            raise LostRace(f"{self.uri(key)}: removed by another writer; read again and decide anew") from None
        except LostRace:
            current = self._head(key)
            if current is not None and current["Metadata"].get("writer") == token:
                return current["ETag"]
            raise

    def _put_object(self, key: str, data: bytes, content_type: str, options: dict[str, Any]) -> str:
        address = self._address(key)

        def call(client: "S3Client") -> str:
            answer = client.put_object(**address, Body=data, ContentType=content_type, **options, **self._encryption())
            return _etag(answer)

        return self._request(f"write {key}", lambda client: _retry_conflicts(lambda: call(client)))

    def exists(self, key: str) -> bool:
        """Say whether there is an object under this key."""
        return self._head(key) is not None

    def size(self, key: str) -> int:
        """Size of an object in bytes.

        Raises:
            NotInStore: there is no such object.
        """
        return self._existing_head(key)["ContentLength"]

    def metadata(self, key: str) -> Mapping[str, str]:
        """The metadata that an object was written with.

        Raises:
            NotInStore: there is no such object.
        """
        return self._existing_head(key)["Metadata"]

    def content_type(self, key: str) -> str:
        """The MIME type that readers of an object are told.

        Raises:
            NotInStore: there is no such object.
        """
        return self._existing_head(key).get("ContentType", BINARY)

    def _existing_head(self, key: str) -> "HeadObjectOutputTypeDef":
        head = self._head(key)
        if head is None:
            raise NotInStore(f"{self.uri(key)}: no such object; check the key")
        return head

    def _head(self, key: str) -> "HeadObjectOutputTypeDef | None":
        """What the store knows about an object without sending it; None if there is no such object."""

        def call(client: "S3Client") -> "HeadObjectOutputTypeDef":
            try:
                head = client.head_object(**self._address(key))
            except ClientError as error:
                if has_no_reason(error):
                    client.get_object(**self._address(key))["Body"].close()  # fails with the reason
                raise
            # Proxies such as Caddy write names of headers with capitals, and boto3 takes them as they come.
            head["Metadata"] = {name.lower(): value for name, value in head["Metadata"].items()}
            return head

        with suppress(NotInStore):
            return self._request(f"look for {key}", call)
        return None

    def list(self, prefix: str) -> Keys:
        """All keys that begin with ``prefix``, sorted."""
        return [entry.key for entry in self.entries(prefix)]

    def entries(self, prefix: str) -> Entries:
        """All objects whose key begins with ``prefix``, sorted here since not every store sorts as AWS does."""
        return self.first_entries(prefix, None)[0]

    def first_entries(self, prefix: str, pages: int | None) -> tuple[Entries, bool]:
        """Objects whose key begins with ``prefix``, with at most so many requests.

        Args:
            prefix: Begin of the keys.
            pages: Requests at most, each for a thousand objects; None for all.

        Returns:
            Objects, sorted; and whether these are all.
        """

        def call(client: "S3Client") -> tuple[Entries, bool]:
            answers = client.get_paginator("list_objects_v2").paginate(
                Bucket=self._settings.bucket, Prefix=self._prefix + prefix
            )
            listed = list(islice(answers, pages))
            return [
                Entry(
                    found["Key"].removeprefix(self._prefix), found["Size"], found["LastModified"], found.get("ETag", "")
                )
                for page in listed
                for found in page.get("Contents", [])
            ], not listed[-1].get("IsTruncated")

        entries, are_all = self._request(f"list {prefix}", call)
        return sorted(entries, key=lambda entry: entry.key), are_all

    def folders(self, prefix: str) -> Keys:
        """The parts of keys between ``prefix`` and the next slash, sorted: a request for each thousand of them."""

        def call(client: "S3Client") -> Keys:
            answers = client.get_paginator("list_objects_v2").paginate(
                Bucket=self._settings.bucket, Prefix=self._prefix + prefix, Delimiter="/"
            )
            begin = self._prefix + prefix
            return [
                found["Prefix"].removeprefix(begin).removesuffix("/")
                for page in answers
                for found in page.get("CommonPrefixes", [])
            ]

        return sorted(self._request(f"list {prefix}", call))

    def now(self) -> datetime:
        """The time by the store's clock, which is the one that dates objects.

        Raises:
            StoreError: the store does not say.
        """
        bucket, prefix = self._settings.bucket, self._prefix
        answer = self._request(
            "ask for the time", lambda client: client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1)
        )
        return self._answered_at(answer["ResponseMetadata"]["HTTPHeaders"])

    def _answered_at(self, headers: Mapping[str, str]) -> datetime:
        """When the store made an answer, by its own clock."""
        date = headers.get("date", "")
        try:
            moment = parsedate_to_datetime(date)
        except ValueError:
            message = f"{self.uri('')}: the store's answer has no valid Date ({date!r}), so ages cannot be told"
            raise StoreError(f"{message}; look at the store, and at a proxy before it") from None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; keys without an object are ignored.

        One request each: the request for many needs a checksum that some stores refuse.
        """

        def delete_object(key: str) -> None:
            with suppress(NotInStore):
                self._request(f"delete {key}", lambda client: client.delete_object(**self._address(key)))

        with ThreadPoolExecutor(DELETE_THREADS) as pool:
            list(pool.map(in_context(delete_object), keys))


def _etag(answer: Mapping[str, Any]) -> str:
    """The ETag that every store gives; a page of a proxy or a login page has none."""
    if not (etag := answer.get("ETag")):
        raise ResponseParserError("an answer without an ETag")
    return str(etag)


def _retry_conflicts(write: Callable[[], str]) -> str:
    """Repeat a write that is answered with 409."""
    for attempt in range(1, CONFLICT_ATTEMPTS):
        try:
            return write()
        except ClientError as error:
            if not is_status(error, 409):
                raise
            time.sleep(0.1 * attempt)
    return write()
