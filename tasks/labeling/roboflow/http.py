"""How Roboflow is asked: with the ``roboflow`` package's login and API adapter, over requests that we can trust.

The package's own requests have no timeout and its errors carry no status, only the server's text. So while one of its
calls runs, the two functions that it sends requests with are replaced by ours. The key is part of every URL, so all
that could show one ends in ``send``: no message and no log line of requests or urllib3 gets past it.
"""

import contextlib
import logging
import os
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from tasks.errors import RoboflowRefused, RoboflowUnavailable
from tasks.settings import RoboflowSettings

KEY_VARIABLE = "NASFLOW_ROBOFLOW_API_KEY"
ATTEMPTS = 5
_LOGS_WITH_URLS = ("urllib3.connectionpool", "urllib3.util.retry", "urllib3.response", "urllib3.poolmanager")
_CHUNK = 2**18
_lock = threading.Lock()

Answer = TypeVar("Answer")
Progress = Callable[[float, float, str], None]
"""Told what is done, of how much, and that in words."""

_CHECK_URL = "check NASFLOW_ROBOFLOW_API_URL"


class TryAgain(Exception):
    """This request failed in a way that may pass."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Deadline:
    """When everything has to be done, on the monotonic clock."""

    at: float
    seconds: float

    @property
    def left(self) -> float:
        """Seconds until then, negative after."""
        return self.at - time.monotonic()


@dataclass(frozen=True)
class Access:
    """One fetch: what is asked of whom, until when, and who is told how far it is."""

    settings: RoboflowSettings
    deadline: Deadline
    workspace: str
    project: str
    tell: Progress

    @property
    def key(self) -> str:
        """The API key. Only the package and ``send`` may see it."""
        return self.settings.api_key.get_secret_value()


def call(access: Access, place: str, function: Callable[[Any], Answer], no: str = _CHECK_URL) -> Answer:
    """Run a function of the package's API adapter with our requests, retried.

    Args:
        access: What is asked of whom.
        place: Names in messages what is asked about.
        function: Takes the adapter.
        no: What a refusal means that is not about the key, and the remedy.
    """
    return retried(access, place, lambda: ask(access, place, function, no))


def ask(access: Access, place: str, function: Callable[[Any], Answer], no: str = _CHECK_URL) -> Answer:
    """Like ``call``, once."""
    with _package(access, place, no) as rfapi:
        try:
            return function(rfapi)
        except (RoboflowRefused, RoboflowUnavailable, TryAgain):
            raise
        except Exception:  # noqa: BLE001 - whatever it is, its text may hold the server's answer or the URL
            problem = RoboflowRefused(f"Roboflow {place}: the answer cannot be read; {_CHECK_URL}")
    raise problem


def field(answer: object, name: str, kind: type, place: str) -> Any:
    """What an answer holds under a name.

    Raises:
        RoboflowRefused: nothing, or something of another kind.
    """
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, kind):
        raise RoboflowRefused(f"Roboflow {place}: the answer lacks {name}; {_CHECK_URL}")
    return value


def retried(access: Access, place: str, function: Callable[[], Answer]) -> Answer:
    """Run ``function`` until it does not raise TryAgain, waiting as long as the server asks for, or ever longer.

    Raises:
        RoboflowUnavailable: ATTEMPTS were in vain, or the next wait would pass the deadline.
    """
    backoff = wait_exponential_jitter(multiplier=0.25, max=30, jitter=0.25)

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, TryAgain) else None
        return max(backoff(state), asked or 0)

    def give_up(state: RetryCallState) -> Answer:
        error = state.outcome.exception() if state.outcome else None
        raise RoboflowUnavailable(f"Roboflow {place}: {error} ({state.attempt_number} attempts); try again later")

    retrying = Retrying(
        retry=retry_if_exception_type(TryAgain),
        wait=wait,
        stop=lambda state: stop_after_attempt(ATTEMPTS)(state) or state.upcoming_sleep > access.deadline.left,
        retry_error_callback=give_up,
    )
    return retrying(function)


@contextlib.contextmanager
def _package(access: Access, place: str, no: str) -> Iterator[Any]:
    """The package's API adapter, set to our address and requests; one thread at a time."""
    with _lock:
        rfapi = _import_package(access.settings.api_url.rstrip("/"))
        from roboflow.util import http

        def words(status: int) -> str:
            refused = status in (401, 403)
            return f"check {KEY_VARIABLE}, and that its owner may see this" if refused else no

        old = http.get, http.post
        http.get = lambda url, **_: send(access, place, "GET", url, words)
        http.post = lambda url, json=None, **_: send(access, place, "POST", url, words, json=json)
        try:
            yield rfapi
        finally:
            http.get, http.post = old


def _import_package(api_url: str) -> Any:
    """Import the package for an address; it reads that from the environment, once, and copies it into its modules."""
    # Without the second, importing it would load any .env file above site-packages into this process.
    wanted = {"API_URL": api_url, "PYTHON_DOTENV_DISABLED": "1"}
    old = {name: os.environ.get(name) for name in wanted}
    old_format = warnings.formatwarning
    os.environ.update(wanted)
    try:
        from roboflow import config
        from roboflow.adapters import rfapi

        config.refresh_region_urls()
    finally:
        warnings.formatwarning = old_format  # importing the package replaces it
        for name, value in old.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return rfapi


def send(
    access: Access,
    place: str,
    method: str,
    url: str,
    no: Callable[[int], str],
    *,
    json: Any = None,
    stream: bool = False,
) -> Any:
    """Send one request; the answer is 200 or 202.

    Errors are raised after the ``except`` that found them, so that they have no context: it would hold the URL.

    Args:
        access: What is asked of whom.
        place: Names in messages what is asked about.
        method: GET or POST.
        url: With the key or the signature.
        no: Says what a refusal with this status means, and the remedy.
        json: Body.
        stream: Whether the answer's body is left to be read.
    """
    import requests

    problem: str | None = None
    with _without_urls_in_logs():
        try:
            timeout = min(access.settings.timeout, max(access.deadline.left, 0.1))
            response = requests.request(method, url, json=json, timeout=timeout, stream=stream)
        except requests.Timeout:
            problem = f"no answer in {timeout:g} s"
        except (requests.RequestException, ValueError) as error:
            problem = f"no connection ({type(error).__name__})"
    if problem:
        raise TryAgain(problem)
    if response.status_code not in (200, 202):
        response.close()
        raise _refusal(response.status_code, response.headers, place, no)
    return response


def _refusal(status: int, headers: Mapping[str, str], place: str, no: Callable[[int], str]) -> Exception:
    if status == 429:
        return TryAgain("HTTP 429, too many requests", _seconds(headers.get("Retry-After")))
    if status in (408, 425) or status >= 500:
        return TryAgain(f"HTTP {status}, an outage there", _seconds(headers.get("Retry-After")))
    return RoboflowRefused(f"Roboflow {place}: HTTP {status}; {no(status)}")


def _seconds(retry_after: str | None) -> float | None:
    """Seconds that a Retry-After header asks for, as a number or a date."""
    if not retry_after:
        return None
    try:
        return max(0.0, float(retry_after))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - time.time())
    except ValueError:
        return None


@contextlib.contextmanager
def _without_urls_in_logs() -> Iterator[None]:
    """Drop what urllib3 logs in this thread: its debug lines hold paths with keys and signatures."""
    here = threading.get_ident()

    def keep(record: logging.LogRecord) -> bool:
        return record.thread != here

    loggers = [logging.getLogger(name) for name in _LOGS_WITH_URLS]
    for logger in loggers:
        logger.addFilter(keep)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(keep)


def read_some(response: Any, received: int) -> bytes:
    """What has come of a body; not iter_content(), which waits for a full chunk, past any deadline if it trickles."""
    import urllib3

    problem = None
    with _without_urls_in_logs():
        try:
            chunk: bytes = response.raw.read1(_CHUNK, decode_content=True)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            problem = f"the connection broke ({type(error).__name__}), {received} bytes received"
    if problem:
        raise TryAgain(problem)
    return chunk
