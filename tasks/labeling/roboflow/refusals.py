"""What a refusal of Roboflow means: its own words without secrets, and a remedy."""

import re
from collections.abc import Callable
from typing import Any

from tasks.errors import RoboflowNotFound, RoboflowRefused

MAX_SHOWN = 300
"""Characters of Roboflow's own words."""
NOT_FOUND = 404
ABOUT_THE_KEY = (401, 403)
_REMEDIES = {
    402: "the workspace's plan does not include this, or its quota is used up; change the plan in Roboflow",
    409: "something there has to be finished or changed first; look at the project in Roboflow, then start again",
    423: "the workspace's billing is paused; settle it in Roboflow, then start again",
}

ExplainRefusal = Callable[[int], str]
"""Says what a refusal with an HTTP status means, and the remedy."""


def explain_by_status(otherwise: str, key_variable: str) -> ExplainRefusal:
    """The remedies of the statuses that mean the same for every request.

    Args:
        otherwise: The remedy of all other statuses.
        key_variable: The environment variable that has the key.

    Returns:
        What tells them by the status.
    """
    check_key = f"check {key_variable}, and that its owner may see this"
    return lambda status: check_key if status in ABOUT_THE_KEY else _REMEDIES.get(status, otherwise)


def missing(kind: str, remedy: str) -> str:
    """The remedy of a 404: it is no proof that the thing does not exist.

    Args:
        kind: What was asked for, such as "project".
        remedy: Where its name comes from.

    Returns:
        The words.
    """
    return f"there is no such {kind}, or the key may not see it; {remedy}"


def refusal(subject: str, status: int, words: str, explain: ExplainRefusal) -> RoboflowRefused:
    """The error of a refused request.

    Args:
        subject: What the request is about.
        status: HTTP status of the answer.
        words: Roboflow's own, as ``own_words`` leaves them; may be empty.
        explain: Says what to do.

    Returns:
        The error, in one line.
    """
    kind = RoboflowNotFound if status == NOT_FOUND else RoboflowRefused
    said = f" ({words})" if words else ""
    return kind(f"Roboflow {subject}: HTTP {status}{said}; {explain(status)}")


def own_words(answer: object, key: str) -> str:
    """What Roboflow says about a refusal, fit to be shown.

    The answer has the fields ``error`` and sometimes ``hint``. ``error`` is a text, or an object with ``message`` and
    ``hint``. Hints have been seen to hold the request with the key in it.

    Args:
        answer: The body, read as JSON.
        key: The API key, which is removed.

    Returns:
        At most MAX_SHOWN characters in one line, without key and links; empty if it says nothing.
    """
    fields: dict[str, Any] = answer if isinstance(answer, dict) else {}
    error = fields.get("error")
    inner: dict[str, Any] = error if isinstance(error, dict) else {"message": error}
    said = [inner.get("message") or fields.get("message"), inner.get("hint") or fields.get("hint")]
    texts = [_without_secrets(text, key).rstrip(". ") for text in said if isinstance(text, str)]
    return "; ".join(text for text in texts if text)[:MAX_SHOWN]


def _without_secrets(text: str, key: str) -> str:
    text = text.replace(key, "***") if key else text
    text = re.sub(r"\w+://\S+", "(link)", text)
    text = re.sub(r"[?&][\w.-]+=\S*", "", text)
    return " ".join("".join(character if character.isprintable() else " " for character in text).split())
