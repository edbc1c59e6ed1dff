"""A bucket of an S3-compatible store, seen through a prefix: the boto3 client, and requests that it is sent.

Connecting, signing in again, how long an answer may take, who is asked before a write, and the translation of errors
belong here; what is read and written does not.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit

import boto3
import urllib3.exceptions
from boto3.exceptions import Boto3Error
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3transfer.exceptions import RetriesExceededError

from tasks.settings import StoreSettings
from tasks.storage.s3_errors import is_stale, translate
from tasks.storage.settings_check import check_settings

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_s3 import S3Client

logger = logging.getLogger(__name__)

T = TypeVar("T")

BOTO_ERRORS = (ClientError, BotoCoreError, Boto3Error, RetriesExceededError, urllib3.exceptions.HTTPError)


@dataclass(frozen=True)
class RequestRules:
    """What holds for each request.

    Attributes:
        connect_seconds: Longest time that a connection may take.
        answer_seconds: Longest time without a byte of the answer.
        attempts: Times that boto3 sends a request that is not answered.
        before_write: Called before a request that writes is sent, also before boto3 sends it again, and before each
            part of a large file. What it raises ends the request.
    """

    connect_seconds: float = 10
    answer_seconds: float = 60
    attempts: int = 3
    before_write: Callable[[], None] | None = None


PATIENT = RequestRules()


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
        self._client = _make_client(settings, rules)

    def answering_within(self, seconds: float) -> Self:
        """The same store; a request fails at once when no answer comes for so many seconds."""
        return type(self)(self._settings, RequestRules(seconds, seconds, attempts=1))

    def guarded(self, before_write: Callable[[], None]) -> Self:
        """The same store; ``before_write`` is called before whatever writes, and may raise an error of ours."""
        return type(self)(self._settings, RequestRules(before_write=before_write))

    def uri(self, key: str) -> str:
        """An object's address for people: s3://bucket/prefix/key."""
        return f"s3://{self._settings.bucket}/{self._prefix}{key}"

    def _address(self, key: str) -> dict[str, Any]:
        """The arguments that name an object to boto3."""
        return {"Bucket": self._settings.bucket, "Key": self._prefix + key}

    def _request(self, action: str, call: Callable[["S3Client"], T]) -> T:
        """Make a request; if credentials or signature had expired, once more with a fresh client.

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
            if not is_stale(error):
                # The cause could hold a signed URL.
                raise translate(error, self._settings, action) from None
        try:
            return call(self._renewed(client))
        except BOTO_ERRORS as error:
            raise translate(error, self._settings, action) from None

    def _renewed(self, stale: "S3Client") -> "S3Client":
        """A client that signed in later than ``stale``; other threads may have made it already."""
        with self._lock:
            if self._client is stale:
                logger.info("credentials or signature refused as too old; signing in again at the store")
                self._client = _make_client(self._settings, self._rules)
            return self._client


def _make_client(settings: StoreSettings, rules: RequestRules) -> "S3Client":
    """A client with a session of its own, so that boto3's chain reads credentials afresh."""
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
        connect_timeout=rules.connect_seconds,
        read_timeout=rules.answer_seconds,
        retries={"mode": "standard", "total_max_attempts": rules.attempts},
        max_pool_connections=32,
    )
    verify = str(settings.ca_bundle) if settings.ca_bundle else None
    client = session.client("s3", endpoint_url=settings.endpoint, config=config, verify=verify)
    if before_write := rules.before_write:

        def ask(request: "AWSPreparedRequest", **_: object) -> None:
            if request.method not in ("GET", "HEAD"):
                before_write()

        client.meta.events.register("before-send.s3", ask)
    return client
