"""Calls of Roboflow's API through the adapter of the ``roboflow`` package, which knows its paths and its login."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from tasks.errors import RoboflowRefused, RoboflowUnavailable
from tasks.labeling.roboflow.access import ProjectAccess
from tasks.labeling.roboflow.http import Request, send
from tasks.labeling.roboflow.patches import package_adapter
from tasks.labeling.roboflow.refusals import explain_by_status
from tasks.labeling.roboflow.retries import Result, TryAgain, retried

CONFLICT = 409
CHECK_URL = "check NASFLOW_ROBOFLOW_API_URL"


def call(
    access: ProjectAccess, subject: str, function: Callable[[Any], Result], refusal_remedy: str = CHECK_URL
) -> Result:
    """Call the API, and try again as long as it may help.

    Args:
        access: The fetch.
        subject: What the call is about, as messages name it.
        function: Takes the adapter of the package, and calls it.
        refusal_remedy: What a refusal means that does not mean the same for every request, and the remedy.

    Returns:
        What ``function`` returns.

    Raises:
        RoboflowRefused: the answer is no, or cannot be read.
        RoboflowUnavailable: no answer in any attempt.
    """
    return retried(access, subject, lambda: call_once(access, subject, function, refusal_remedy))


def call_once(
    access: ProjectAccess, subject: str, function: Callable[[Any], Result], refusal_remedy: str = CHECK_URL
) -> Result:
    """Call the API, without trying again.

    Args:
        access: The fetch.
        subject: What the call is about, as messages name it.
        function: Takes the adapter of the package, and calls it.
        refusal_remedy: What a refusal means that does not mean the same for every request, and the remedy.

    Returns:
        What ``function`` returns.

    Raises:
        RoboflowRefused: the answer is no, or cannot be read.
        TryAgain: no answer, or one that may pass.
    """
    explain_refusal = explain_by_status(refusal_remedy, access.key_variable)

    def get(url: str, **_: object) -> Any:
        return send(access, subject, Request("GET", url), explain_refusal)

    def post(
        url: str,
        json: object = None,
        data: object = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        **_: object,
    ) -> Any:
        url = f"{url}?{urlencode(params)}" if params else url
        # Of an upload the package reads a conflict itself: it means that the boxes are there.
        passes = (200, 202) if data is None else (200, 202, CONFLICT)
        return send(access, subject, Request("POST", url, json, data, headers, passes), explain_refusal)

    with package_adapter(access.api_url, get, post) as adapter:
        try:
            return function(adapter)
        except (RoboflowRefused, RoboflowUnavailable, TryAgain):
            raise
        except Exception:  # noqa: BLE001 - whatever it is, its text may hold the server's answer or the URL
            problem = RoboflowRefused(f"Roboflow {subject}: the answer cannot be read; {CHECK_URL}")
    raise problem


def field(answer: object, name: str, kind: type, subject: str) -> Any:
    """A field of an answer.

    Args:
        answer: The answer, or a part of it.
        name: Name of the field.
        kind: Type that its value must have.
        subject: What the answer is about, as messages name it.

    Returns:
        The value.

    Raises:
        RoboflowRefused: the field is missing, or of another type.
    """
    value = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(value, kind):
        raise RoboflowRefused(f"Roboflow {subject}: the answer lacks {name}; {CHECK_URL}")
    return value
