"""What the verbs of ``schedule`` print for people."""

from datetime import datetime
from typing import Any

from deployments.terminal.console import say
from deployments.terminal.tables import table


def show_set(document: dict[str, Any]) -> None:
    """Print what ``schedule set`` came to: what changed, and the next times."""
    say(f"{document['slug']}: {document['when']}, {document['timezone']}")
    if document["replaced"]:
        say("; ".join(document["changes"]) or "nothing changed")
    if document["dropped_runs"]:
        say(f"runs of the setting before that had not started were removed: {document['dropped_runs']}")
    say(f"next: {', '.join(str(_minute(time)) for time in document['next'])}")
    if document["url"]:
        say(f"ok: {document['url']}")


def show_list(document: dict[str, Any]) -> None:
    """Print the schedules, and below them what is wrong with one."""
    schedules = document["schedules"]
    if not schedules:
        say("no schedule; make one with `nasflow schedule set`")
        return
    table(["project", "when", "time zone", "next", "active", "last run"], [_cells(row) for row in schedules])
    for row in schedules:
        if row["problem"]:
            say(f"{row['slug'] or row['when']}: {row['problem']}")
        elif row["last_message"]:
            say(f"{row['slug'] or row['when']}: {row['last_run']}: {row['last_message']}")


def _cells(row: dict[str, Any]) -> list[str | None]:
    last = f"{_minute(row['last_run_at'])} {row['last_state']}" if row["last_run"] else None
    active = "yes" if row["active"] else "no"
    return [row["project"] or row["slug"], row["when"], row["timezone"], _minute(row["next"]), active, last]


def _minute(time: str | None) -> str | None:
    return f"{datetime.fromisoformat(time):%Y-%m-%d %H:%M}" if time else None
