"""Single HTTP requests to Roboflow, with a timeout, and with errors that show neither the URL nor a secret."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from tasks.labeling.roboflow.access import ProjectAccess
from tasks.labeling.roboflow.patches import no_urls_in_logs
from tasks.labeling.roboflow.refusals import ExplainRefusal, own_words, refusal
from tasks.labeling.roboflow.retries import TryAgain

_CHUNK_BYTES = 2**18


@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    method: str
    url: str
    """With the key or the signature in it."""
    json: Any = None
    """The body, as JSON."""
    data: Any = None
    """The body, as it is."""
    headers: Mapping[str, str] | None = None
    passes: tuple[int, ...] = (200, 202)
    """Statuses of answers that the caller reads."""
    stream: bool = False
    """Whether the body of the answer is left to be read."""


def send(access: ProjectAccess, subject: str, request: Request, explain_refusal: ExplainRefusal) -> Any:
    """Send a request.

    Errors are raised after the ``except`` that caught the cause, so that they have no context: it would hold the URL.

    Args:
        access: The fetch, with timeout and deadline.
        subject: What the request is about, as messages name it.
        request: The request.
        explain_refusal: Completes the message of a refusal.

    Returns:
        The answer of ``requests``, with a status that passes.

    Raises:
        RoboflowRefused: any other status that will not pass; RoboflowNotFound for 404.
        TryAgain: no answer, or a status that may pass.
    """
    import requests

    problem: str | None = None
    timeout = min(access.settings.timeout, max(access.deadline.left, 0.1))
    with no_urls_in_logs():
        try:
            response = requests.request(
                request.method, request.url, json=request.json, data=request.data, headers=request.headers,
                timeout=timeout, stream=request.stream,
            )  # fmt: skip
        except requests.Timeout:
            problem = f"no answer in {timeout:g} s"
        except (requests.RequestException, ValueError) as error:
            problem = f"no connection ({type(error).__name__})"
    if problem:
        raise TryAgain(problem)
    if response.status_code not in request.passes:
        response.close()
        _try_again_if_passing(response.status_code, response.headers)
        words = own_words(_json(response, request), access.key)
        raise refusal(subject, response.status_code, words, explain_refusal)
    return response


def _try_again_if_passing(status: int, headers: Mapping[str, str]) -> None:
    if status == 429:
        raise TryAgain("HTTP 429, too many requests", _seconds(headers.get("Retry-After")))
    if status in (408, 425) or status >= 500:
        raise TryAgain(f"HTTP {status}, an outage there", _seconds(headers.get("Retry-After")))


def _json(response: Any, request: Request) -> object:
    """The body of a refusal; None if it is no JSON, or was not read."""
    if request.stream:
        return None
    try:
        body: object = response.json()
    except ValueError:
        return None
    return body


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


def read_chunk(response: Any, received: int) -> bytes:
    """Read what has arrived of a streamed body.

    ``iter_content()`` waits for a full chunk, past any deadline if a body trickles.

    Args:
        response: The answer of a request with ``stream``.
        received: Number of bytes received so far, for messages.

    Raises:
        TryAgain: the connection broke.
    """
    import urllib3

    problem = None
    with no_urls_in_logs():
        try:
            chunk: bytes = response.raw.read1(_CHUNK_BYTES, decode_content=True)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            problem = f"the connection broke ({type(error).__name__}), {received} bytes received"
    if problem:
        raise TryAgain(problem)
    return chunk
