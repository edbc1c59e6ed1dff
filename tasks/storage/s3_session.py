"""How boto3 signs in at a store: sessions, credentials and clients.

With keys of our own, nothing of this machine's AWS configuration is read: neither its variables nor its files. Without
them, boto3's own chain finds the credentials. Requests belong to ``s3_client.py``.
"""

from bisect import bisect_left
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import ConfigValueStore, ConstantProvider
from botocore.utils import parse_timestamp

from tasks.settings import StoreSettings
from tasks.storage.settings_check import is_on_aws

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_s3 import S3Client


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


def make_client(settings: StoreSettings, rules: RequestRules = PATIENT) -> "S3Client":
    """A client with a session of its own, so that boto3's chain reads credentials afresh."""
    return client_of(make_session(settings), settings, rules)


def make_session(settings: StoreSettings) -> boto3.Session:
    """A session with the keys of the settings, or without them one of boto3's own chain."""
    if not settings.access_key_id:
        return boto3.Session(
            region_name=settings.region, botocore_session=_with_fast_dates(botocore.session.get_session())
        )
    return boto3.Session(
        aws_access_key_id=settings.access_key_id,
        aws_secret_access_key=settings.secret_access_key.get_secret_value(),
        region_name=settings.region,
        botocore_session=_with_fast_dates(_session_without_configuration()),
    )


def _session_without_configuration() -> botocore.session.Session:
    """A session in which every variable of the AWS configuration has botocore's default."""
    session = botocore.session.Session()
    defaults = {name: ConstantProvider(default) for name, (*_, default, _) in session.SESSION_VARIABLES.items()}
    # The names of the files have defaults, too.
    defaults |= {"config_file": ConstantProvider(None), "credentials_file": ConstantProvider(None)}
    session.register_component("config_store", ConfigValueStore(defaults))
    return session


def _with_fast_dates(session: botocore.session.Session) -> botocore.session.Session:
    """Have a session read dates by ``read_date``, which halves the processor time of a listing."""
    session.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=read_date)
    return session


def read_date(value: Any) -> datetime:
    """Read a date of a store's answer: ISO 8601 at once, others as botocore does, which tries one form after another.

    Args:
        value: A text in ISO 8601 or RFC 822, or seconds since 1970 as a number or text.

    Returns:
        The date, with its time zone.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(value, str) and "T" in value:  # seconds have none
        with suppress(ValueError):
            return datetime.fromisoformat(value)
    date: datetime = parse_timestamp(value)
    return date


def seconds_left(session: boto3.Session, limit: int) -> int | None:
    """How long the session's credentials are still valid.

    Args:
        session: The session.
        limit: Seconds; a longer time is not looked for.

    Returns:
        Seconds, at most ``limit``; None for temporary credentials whose end boto3 does not know.
    """
    credentials = session.get_credentials()
    if credentials is None or not credentials.get_frozen_credentials().token:
        return limit
    needed_within = getattr(credentials, "refresh_needed", None)
    if needed_within is None:
        return None
    # botocore does not give the end, but says whether it comes within so many seconds.
    return bisect_left(range(1, limit + 1), True, key=needed_within)


def client_of(session: boto3.Session, settings: StoreSettings, rules: RequestRules = PATIENT) -> "S3Client":
    """A client for the store's endpoint.

    Args:
        session: Signs the requests.
        settings: Name the endpoint.
        rules: What holds for each request.

    Returns:
        The client.
    """
    on_aws = is_on_aws(settings.endpoint)
    checksums = settings.checksums
    if checksums == "auto":
        # Other stores refuse boto3's default checksum headers, or the chunked bodies that carry them.
        checksums = "when_supported" if on_aws else "when_required"
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
