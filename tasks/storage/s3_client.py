"""A bucket of an S3-compatible store, seen through a prefix, and requests that it is sent.

Signing in again, who is asked before a write, and raising our own errors belong here; what is read and written does
not.
"""

import hashlib
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

import urllib3.exceptions
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError
from s3transfer.exceptions import RetriesExceededError

from tasks.settings import StoreSettings
from tasks.storage.s3_errors import is_stale, translate
from tasks.storage.s3_session import PATIENT, RequestRules, make_client
from tasks.storage.settings_check import check_settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

T = TypeVar("T")

BOTO_ERRORS = (
    ClientError, BotoCoreError, Boto3Error, RetriesExceededError, ResponseParserError, urllib3.exceptions.HTTPError,
)  # fmt: skip


class Bucket:
    """One bucket under one prefix. Safe to share between threads.

    Args:
        settings: Where the bucket is.
        rules: What holds for each request.

    Raises:
        BadSettings: the settings cannot work.
    """

    def __init__(self, settings: StoreSettings, rules: RequestRules = PATIENT) -> None:
        check_settings(settings)
        self._settings = settings
        self._rules = rules
        self._prefix = f"{stripped}/" if (stripped := settings.prefix.strip("/")) else ""
        self._lock = threading.Lock()
        self._client = self._connected()

    def answering_within(self, seconds: float) -> Self:
        """The same store; a request fails at once when no answer comes for so many seconds."""
        return type(self)(self._settings, RequestRules(seconds, seconds, attempts=1))

    def guarded(self, before_write: Callable[[], None]) -> Self:
        """The same store; ``before_write`` is called before whatever writes, and may raise an error of ours."""
        return type(self)(self._settings, RequestRules(before_write=before_write))

    def settings_digest(self) -> str:
        """Digest of the settings that what the store does depends on; it tells nothing of the secret."""
        settings = self._settings.model_dump_json(exclude={"secret_access_key", "ca_bundle", "public_endpoint"})
        return hashlib.sha256(settings.encode()).hexdigest()

    def uri(self, key: str) -> str:
        """An object's address for people: s3://bucket/prefix/key."""
        return f"s3://{self._settings.bucket}/{self._prefix}{key}"

    def _address(self, key: str) -> dict[str, Any]:
        """The arguments that name an object to boto3."""
        return {"Bucket": self._settings.bucket, "Key": self._prefix + key}

    def _encryption(self) -> dict[str, Any]:
        """The arguments of every write that ask the store to encrypt."""
        settings = self._settings
        options = {"ServerSideEncryption": settings.encryption, "SSEKMSKeyId": settings.encryption_key_id}
        return {name: value for name, value in options.items() if value}

    def _request(self, action: str, call: Callable[["S3Client"], T]) -> T:
        """Make a request; if the store refuses credentials that may have been renewed, once more with a fresh client.

        Args:
            action: What is done, for messages, such as "read datasets/x.json".
            call: Makes the request; it may be called twice.

        Returns:
            What ``call`` returns.

        Raises:
            NasflowError: the request failed, as ``s3_errors`` translates it.
        """
        client = self._client
        try:
            return call(client)
        except BOTO_ERRORS as error:
            if not is_stale(error, self._settings):
                raise translate(error, self._settings, action) from None
        with self._translated(action):
            return call(self._renewed(client))

    def _connected(self) -> "S3Client":
        """A client; to make it fails only on the AWS configuration of this machine."""
        with self._translated("sign in"):
            return make_client(self._settings, self._rules)

    @contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        """Raise errors of boto3 as our own, without their cause, which could hold a signed URL."""
        try:
            yield
        except (*BOTO_ERRORS, ValueError) as error:  # a ValueError is a wrong number or URL of the AWS configuration
            raise translate(error, self._settings, action) from None

    def _renewed(self, stale: "S3Client") -> "S3Client":
        """A client that signed in later than ``stale``; other threads may have made it already."""
        with self._lock:
            if self._client is stale:
                logger.info("the store refuses credentials or signature; signing in again")
                self._client = self._connected()
            return self._client
