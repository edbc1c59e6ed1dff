"""When the newest backup was begun, which backup.sh tells the Prefect server: ``python -m ... last_backup TIME``.

It is a variable of the server, so that it can be watched from anywhere, also where no backup can be read. Restored with
the database it names the backup before.
"""

import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from deployments.remote.variables import set_variable
from tasks.errors import BadRequest, NasflowError

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

VARIABLE = "nasflow_last_backup"
MAX_AGE = timedelta(days=2)
"""Backups are made once a day or oftener, so that one was missed."""


def remember_backup(client: "SyncPrefectClient", begun: datetime) -> None:
    """Have the server know of a backup that is complete.

    Args:
        client: Client of the server.
        begun: When it was begun, with its offset from UTC; what came later may not be in it.
    """
    set_variable(client, VARIABLE, begun.isoformat())


def last_backup(client: "SyncPrefectClient") -> datetime | None:
    """When the newest backup was begun; None if the server knows of none, or of one that says no time."""
    variable = client.read_variable_by_name(VARIABLE)
    if variable is None or not isinstance(variable.value, str):
        return None
    try:
        return _time_of(variable.value)
    except BadRequest:
        return None


def main(arguments: list[str]) -> int:
    """Run the command line, and give its exit code."""
    from deployments.remote.server import connected
    from deployments.terminal.console import say

    try:
        begun = _time_of(" ".join(arguments))
        with connected() as client:
            remember_backup(client, begun)
    except NasflowError as error:
        say(f"error: {error}")
        return error.exit_code
    return 0


def _time_of(text: str) -> datetime:
    """A time with its offset from UTC.

    Raises:
        BadRequest: it is none.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise BadRequest(f"{text!r} is no time; give it as 2026-01-31T03:00:00Z")
    return time


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
