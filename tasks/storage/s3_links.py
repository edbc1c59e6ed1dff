"""Signed links: URLs that read one object without credentials, and how long they work.

A link ends with the credentials that signed it, which may be sooner than was asked for.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.settings import StoreSettings
from tasks.storage.s3_session import client_of, make_session, seconds_left

MAX_SECONDS = 7 * 86_400
"""The longest time for which a signed link may be valid."""


@dataclass(frozen=True)
class Link:
    """A signed URL, which is itself a secret while it works.

    Attributes:
        url: The URL.
        latest_end: When it ends at the latest.
        ends: When it ends; None if it ends with session credentials whose end is not known.
    """

    url: str
    latest_end: datetime
    ends: datetime | None

    @property
    def validity(self) -> str:
        """How long it works, in words that continue "this link"."""
        words = f"works until {self.latest_end:%Y-%m-%d %H:%M} UTC"
        return words if self.ends else f"{words} at most; it ends with the session's credentials"


def sign_link(settings: StoreSettings, address: dict[str, Any], seconds: int) -> Link:
    """Sign a link with credentials that are read afresh, for the host that browsers reach.

    Args:
        settings: Settings of the store.
        address: Bucket and key as boto3 takes them.
        seconds: How long the link should work.

    Returns:
        The link.
    """
    if settings.public_endpoint:
        settings = settings.model_copy(update={"endpoint": settings.public_endpoint})
    session = make_session(settings)
    url = client_of(session, settings).generate_presigned_url("get_object", Params=address, ExpiresIn=seconds)
    left = seconds_left(session, seconds)
    latest_end = datetime.now(UTC) + timedelta(seconds=seconds if left is None else left)
    return Link(url=url, latest_end=latest_end, ends=None if left is None else latest_end)
