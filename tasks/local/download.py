"""Fetching a large file over HTTP: after a cut it goes on, in another process too; it appears verified or not."""

import fcntl
import logging
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from tasks.local.files import file_sha256
from tasks.local.partial_file import PartialFile

logger = logging.getLogger(__name__)

OnProgress = Callable[[float, float, str], None]
"""Called with how much is done, how much there is in all, and the same in words."""

MAX_FAILURES = 5
"""So many attempts in a row without progress are the end."""
LONGEST_PAUSE = 30.0
MIN_PROGRESS = 2**20
"""So many more bytes are progress: a server that cuts after each byte makes none."""
PASSING_STATUSES = (408, 425, 429)
"""HTTP statuses that may pass, besides those of 500 and more."""
HOPELESS = (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL)


class DownloadError(Exception):
    """A file did not come. The message says why, and names no address."""


class DownloadBroke(DownloadError):
    """It may come when tried again: no answer, an error of the server, or a cut."""


class DownloadRefused(DownloadError):
    """It does not come: the server says no, or has something else."""


@dataclass(frozen=True)
class Download:
    """A file to fetch.

    Attributes:
        url: Its address, which may hold a user name and a password.
        sha256: SHA-256 that it must have.
        path: Where it appears.
        timeout: Seconds without a byte until an attempt is given up.
        first_pause: Seconds before the next attempt; without progress each further pause is twice as long.
    """

    url: str
    sha256: str
    path: Path
    timeout: float = 30
    first_pause: float = 1

    @property
    def address(self) -> str:
        """The URL without user name and password, as people may see it."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def fetch(self, on_progress: OnProgress) -> None:
        """Fetch it, unless it is there already.

        Args:
            on_progress: Called after each piece.

        Raises:
            DownloadBroke: it did not come in several attempts; what has come is kept for the next time.
            DownloadRefused: the server has no such file.
            OSError: the folder cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with _alone_in(self.path.parent):
            if self.path.exists() and file_sha256(self.path) == self.sha256:
                return
            part = PartialFile(self.path)
            if not self._is_whole(part):  # else the process was killed before it was published
                self._receive(part, on_progress)
            part.publish()

    def _receive(self, part: PartialFile, on_progress: OnProgress) -> None:
        url = urlsplit(self.url)
        auth = (unquote(url.username), unquote(url.password or "")) if url.username else None
        failures = _Failures(part, self.first_pause)
        with httpx.Client(auth=auth, follow_redirects=True, timeout=self.timeout) as client:
            Retrying(
                retry=retry_if_exception_type(DownloadBroke),
                after=failures.count,
                wait=failures.pause,
                stop=failures.are_enough,
                before_sleep=_log_failure,
                reraise=True,
            )(self._attempt, client, part, on_progress)

    def _attempt(self, client: httpx.Client, part: PartialFile, on_progress: OnProgress) -> None:
        """Receive the rest of the file, or all of it."""
        headers = {"Accept-Encoding": "identity", **part.range_headers()}
        try:
            with client.stream("GET", self.address, headers=headers) as response:
                start = _start_of(response, part)
                _append(response, part, on_progress)
        except HOPELESS as error:
            raise DownloadRefused(str(error)) from None
        except httpx.TimeoutException:
            raise DownloadBroke(f"no answer in {self.timeout:g} s, {part.size} bytes received") from None
        except httpx.HTTPError as error:
            if self._is_whole(part):  # the server announced more than there is
                return
            raise DownloadBroke(f"{str(error) or type(error).__name__}, {part.size} bytes received") from None
        self._verify(part, is_certain=start == 0 and "Content-Length" in response.headers)

    def _is_whole(self, part: PartialFile) -> bool:
        return part.size > 0 and file_sha256(part.path) == self.sha256

    def _verify(self, part: PartialFile, *, is_certain: bool) -> None:
        """Refuse what has another SHA-256. It is not kept, since it would never become the right file."""
        size, actual = part.size, file_sha256(part.path)
        if actual == self.sha256:
            return
        part.forget()
        problem = f"{size} bytes with SHA-256 {actual}, expected {self.sha256}"
        if is_certain:
            raise DownloadRefused(problem)
        raise DownloadBroke(problem)  # put together from two files, or cut where nothing said how long it is


class _Failures:
    """Failed attempts in a row that brought nothing."""

    def __init__(self, part: PartialFile, first_pause: float) -> None:
        self._part = part
        self._largest = part.size
        self._first_pause = first_pause
        self._number = 0

    def count(self, state: RetryCallState) -> None:
        if self._part.size >= self._largest + MIN_PROGRESS:
            self._largest, self._number = self._part.size, 0
        self._number += 1

    def pause(self, state: RetryCallState) -> float:
        """Seconds before the next attempt, a bit more or less, so that not all workers come at the same moment."""
        seconds = self._first_pause * 2.0 ** (self._number - 1) * random.uniform(0.75, 1.25)  # noqa: S311 no secret
        return min(seconds, LONGEST_PAUSE)

    def are_enough(self, state: RetryCallState) -> bool:
        return self._number >= MAX_FAILURES


def _start_of(response: httpx.Response, part: PartialFile) -> int:
    """The position in the file at which the body of an answer begins."""
    status, headers = response.status_code, response.headers
    if status in PASSING_STATUSES or status >= 500:
        raise DownloadBroke(f"HTTP {status}")
    if status == 416 or (status == 206 and not part.is_continued_by(headers)):
        part.forget()
        raise DownloadBroke("the file changed while it came")
    if status not in (200, 206):
        raise DownloadRefused(f"HTTP {status}")
    if headers.get("Content-Type", "").startswith("text/html"):
        raise DownloadRefused("a web page came, and no file")
    if status == 200:
        part.begin(headers)
    return part.size


def _append(response: httpx.Response, part: PartialFile, on_progress: OnProgress) -> None:
    """Write the body of an answer to the end of the part."""
    start, length = part.size, response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdigit() else None
    began, received = time.monotonic(), 0
    with part.path.open("ab") as file:
        for piece in response.iter_raw():
            file.write(piece)
            received += len(piece)
            on_progress(*_progress(start + received, total, (time.monotonic() - began) / received))


def _progress(done: int, total: int | None, seconds_per_byte: float) -> tuple[float, float, str]:
    if not total:
        return 0, 1, f"{done / 1e6:.1f} MB"
    seconds_left = seconds_per_byte * (total - done)
    return done, total, f"{done / 1e6:.1f} of {total / 1e6:.1f} MB, {seconds_left:.0f} s left"


def _log_failure(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    logger.warning("download: %s; trying again in %.0f s", error, state.upcoming_sleep)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other process or thread fetches into a folder. The system releases the lock of a killed process."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("another process fetches into %s; this one waits for it", folder)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError:  # a disk without locks: what two write at once is found by its SHA-256
            logger.debug("%s has no locks", folder)
        yield
    finally:
        os.close(descriptor)
