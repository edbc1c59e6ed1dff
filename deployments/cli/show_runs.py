"""What the verbs about flow runs print for people."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from deployments.terminal.console import say
from deployments.terminal.run_progress import printable
from deployments.terminal.tables import table

Row = Mapping[str, Any]

SHORT_ID = 8
"""Characters of an id, enough to name a run."""
ENDED = {"Completed", "Skipped", "Failed", "Crashed", "Cancelled"}
COLUMNS = ["flow", "project", "name", "state", "began", "took", "progress", "id"]
OPTIONAL = ["took", "began", "progress", "project"]
"""Columns that a narrow terminal does without, the least important first."""


def show_runs(document: Row) -> None:
    """Print the list of runs."""
    if not document["runs"]:
        say("no flow runs")
        return
    table(COLUMNS, list(_with_child_runs(document["runs"])), optional=OPTIONAL)


def show_run(document: Row) -> None:
    """Print one run."""
    facts = {
        "flow": document["flow"],
        "project": document["project"],
        "id": document["flow_run"],
        "state": f"{document['flow_run_state']} since {_local(document['state_since'])}",
        "message": _one_line(document["message"]),
        "began": _local(document["began"]),
        "took": _duration(document["seconds"]),
        "progress": _progress(document),
        "attempts": document["attempts"],
        "last heartbeat": _local(document["last_heartbeat"]),
        "work pool": document["work_pool"],
        "asked for by": document["parent"],
        **{f"request: {name}": _value(value) for name, value in (document["request"] or {}).items()},
    }
    rows = [[name, str(value)] for name, value in facts.items() if value is not None]
    table(["what", "value"], rows, f"flow run {document['flow_run_name']}")
    if document["steps"]:
        steps = [
            [step["name"], step["state"], _local(step["began"]), _duration(step["seconds"]), step["attempts"]]
            for step in document["steps"]
        ]
        table(["step", "state", "began", "took", "attempts"], steps)
    if document["child_runs"]:
        table(COLUMNS, [_cells(child) for child in document["child_runs"]], "child flow runs", optional=OPTIONAL)
    for warning in document["warnings"]:
        say(f"{_local(warning['time'])} {warning['level'].lower()}: {_one_line(warning['message'])}")
    if document["url"]:
        say(f"Prefect's UI: {document['url']}")
    for verb in document["can"]:
        options = " --promote, or --keep" if verb == "answer" else ""
        say(f"to {verb} it: nasflow runs {verb} {_short(document)}{options}")


def show_cancelled(document: Row) -> None:
    """Print what became of a run that was cancelled, and what is kept of its training."""
    for run in (document, *document["child_runs"]):
        say(f"flow run {run['flow_run_name']}: {run['flow_run_state']}")
    for kept in document["kept"]:
        run_key = kept["run_key"][:12]
        if kept["finished"]:
            say(f"training run {run_key} is finished and kept; the same request later uses it again")
        elif kept["epoch"] is not None:
            say(
                f"training run {run_key}: a checkpoint {_after(kept['epoch'])} is kept; the same request later goes on "
                "from there"
            )
        else:
            say(f"training run {run_key} has no checkpoint yet; the same request later begins anew")


def _after(epochs: int) -> str:
    """Where a checkpoint is, by the whole epochs before it."""
    return {0: "from within the first epoch", 1: "after 1 epoch"}.get(epochs, f"after {epochs} epochs")


def show_retried(document: Row) -> None:
    """Print that a run is scheduled again."""
    when = "when one is free"
    if not_before := document.get("not_before"):
        when = f"at {_local(not_before)}, since workers still hear that it was cancelled"
    say(f"flow run {document['flow_run_name']}: {document['flow_run_state']}; a worker takes it {when}")
    if document["url"]:
        say(f"Prefect's UI: {document['url']}")


def _with_child_runs(runs: list[Row]) -> Iterator[list[object]]:
    """A row of each run; below one that has not ended, those of its child flow runs, indented."""
    for run in runs:
        yield _cells(run)
        if run["flow_run_state"] not in ENDED:
            yield from (_cells(child, indent="  ") for child in run["child_runs"])


def _cells(run: Row, indent: str = "") -> list[object]:
    return [
        f"{indent}{run['flow']}", run["project"], run["flow_run_name"], run["flow_run_state"], _local(run["began"]),
        _duration(run["seconds"]), _progress(run), _short(run),
    ]  # fmt: skip


def _progress(run: Row) -> str | None:
    progress = run["progress"]
    return f"{progress['percent']:.0f} %, {progress['text']}" if progress else None


def _short(run: Row) -> str:
    return str(run["flow_run"])[:SHORT_ID]


def _local(time: str | None) -> str | None:
    """A time in the time zone of this machine."""
    return f"{datetime.fromisoformat(time).astimezone():%Y-%m-%d %H:%M:%S}" if time else None


def _duration(seconds: float | None) -> str | None:
    return str(timedelta(seconds=round(seconds))) if seconds is not None else None


def _value(value: object) -> str | None:
    """A value of a request; what is not set is left out."""
    return None if value is None or value in ({}, []) else str(value)


def _one_line(text: str | None) -> str | None:
    """The first line of a text that may be a traceback."""
    return printable(text.strip().partition("\n")[0]) if text else None
