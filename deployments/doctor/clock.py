"""Check of the clocks: this machine's, the Prefect server's and the store's.

Signed requests and the times that people read rely on clocks that agree.
"""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import get_current_settings

from deployments.doctor.check import Check, check
from tasks.errors import BadSettings
from tasks.settings import StoreSettings, from_environment

MAX_SECONDS = 60.0
"""Clocks that differ by less are taken to agree."""
REQUEST_SECONDS = 5.0
REMEDY = "set the clock, and keep it right with NTP, such as systemd-timesyncd or chrony"


def clock() -> Check:
    """Whether this machine has the time of the Prefect server and the store."""
    offsets = {"the Prefect server": _server_ahead(), "the store": _store_ahead()}
    return verdict({name: seconds for name, seconds in offsets.items() if seconds is not None})


def _server_ahead() -> float | None:
    api = get_current_settings().api
    return _ahead(f"{api.url}/health", Path(api.ssl_cert_file) if api.ssl_cert_file else None) if api.url else None


def _store_ahead() -> float | None:
    try:
        store = from_environment(StoreSettings)
    except BadSettings:
        return None  # the check of the store says so
    return _ahead(store.endpoint, store.ca_bundle) if store.endpoint else None


def verdict(ahead: Mapping[str, float]) -> Check:
    """Make the check from what the clocks of others are ahead of this machine's.

    Args:
        ahead: Seconds by the name of the other; negative for one that is behind.

    Returns:
        The check. Where others agree with each other, but not with this machine, its clock is the wrong one.
    """
    if not ahead:
        return check("clock", "ok", "not compared: neither the Prefect server nor the store tells its time")
    wrong = {name: seconds for name, seconds in ahead.items() if abs(seconds) > MAX_SECONDS}
    if not wrong:
        return check("clock", "ok", f"agrees with {' and '.join(ahead)}")
    if len(ahead) > 1 and max(ahead.values()) - min(ahead.values()) <= MAX_SECONDS:
        (first, *_) = ahead.values()
        message = f"this machine's clock is {_words(-first)}: {' and '.join(ahead)} agree with each other"
    elif len(wrong) < len(ahead):
        message = "; ".join(f"the clock of {name} is {_words(seconds)}" for name, seconds in wrong.items())
    else:
        differences = "; ".join(f"{name} is {_words(seconds)} of this machine" for name, seconds in wrong.items())
        message = f"clocks differ: {differences}"
    return check("clock", "warning", message, REMEDY)


def server_time(client: SyncPrefectClient) -> datetime:
    """The time of the Prefect server; this machine's if the server does not tell it."""
    return _date(client.request("GET", "/health")) or datetime.now(UTC)


def _ahead(url: str, ca_bundle: Path | None) -> float | None:
    """Seconds that the clock of whoever answers is ahead of this machine's; None if it does not answer or tell."""
    try:
        before = datetime.now(UTC)
        trusted = ssl.create_default_context(cafile=str(ca_bundle)) if ca_bundle else True
        date = _date(httpx.get(url, timeout=REQUEST_SECONDS, verify=trusted))
        after = datetime.now(UTC)
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        return None
    return (date - (before + (after - before) / 2)).total_seconds() if date else None


def _date(answer: httpx.Response) -> datetime | None:
    """The time in the Date header, whatever the answer is."""
    try:
        date = parsedate_to_datetime(answer.headers["Date"])
    except (KeyError, ValueError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _words(seconds: float) -> str:
    return f"{abs(seconds):.0f} s {'ahead' if seconds > 0 else 'behind'}"
