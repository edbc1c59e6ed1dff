"""What a check of ``doctor`` finds, and how an action becomes a check."""

from collections.abc import Callable, Sequence
from typing import Any

from deployments.remote.server import first_line
from tasks.errors import BadSettings

Check = dict[str, Any]
"""``name``, ``status`` (ok, warning or error), ``message``, ``remedy``."""

MAX_FAULTS = 3
"""Faults that a message names; of more it tells the number."""


def check(name: str, status: str, message: str, remedy: str = "") -> Check:
    """Make a check.

    Args:
        name: What was checked.
        status: ok, warning or error.
        message: What was found.
        remedy: What to do, unless it is ok.

    Returns:
        The check.
    """
    return {"name": name, "status": status, "message": message, "remedy": remedy}


def check_of_faults(name: str, ok: str, faults: Sequence[str], remedy: str, *, status: str = "warning") -> Check:
    """Make a check of the faults that were found.

    Args:
        name: What was checked.
        ok: Message without faults.
        faults: What is wrong; empty if nothing is.
        remedy: What to do about it.
        status: Status with faults.

    Returns:
        The check.
    """
    if not faults:
        return check(name, "ok", ok)
    more = [f"and {len(faults) - MAX_FAULTS} more"] if len(faults) > MAX_FAULTS else []
    return check(name, status, "; ".join([*faults[:MAX_FAULTS], *more]), remedy)


def attempt(name: str, action: Callable[[], str], remedy: str) -> Check:
    """Make a check that is ok with the text that an action returns, and an error with that of whatever it raises.

    Args:
        name: What is checked.
        action: Tries it.
        remedy: What to do if it fails.

    Returns:
        The check.
    """
    try:
        return check(name, "ok", action())
    except Exception as error:  # noqa: BLE001, whatever a client raises is what is wrong
        return check(name, "error", first_line(error), remedy)


def with_settings_checked(function: Callable[[], Check]) -> Check:
    """The check of a function; settings that it cannot read are an error of that check."""
    try:
        return function()
    except BadSettings as error:
        return check(function.__name__, "error", str(error), "correct the variable")
