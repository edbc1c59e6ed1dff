"""``nasflow runs list`` and ``runs show``: nasflow's flow runs, as JSON documents."""

import logging
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId, LogFilterLevel
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import LogSort

from deployments.remote.find_run import find_run
from deployments.remote.heartbeats import last_heartbeats
from deployments.remote.run_queries import PAGE, is_final, parent_of, steps_of, top_runs
from deployments.remote.run_rows import project_of, rows_of
from deployments.remote.server import connected
from tasks.orchestration.asking_runs import is_asking
from tasks.orchestration.step_times import plain_name

StateWord = Literal["waiting", "running", "completed", "failed", "crashed", "cancelled"]

STATES: dict[StateWord, tuple[StateType, ...]] = {
    "waiting": (StateType.SCHEDULED, StateType.PENDING, StateType.PAUSED),
    "running": (StateType.RUNNING, StateType.CANCELLING),
    "completed": (StateType.COMPLETED,),
    "failed": (StateType.FAILED,),
    "crashed": (StateType.CRASHED,),
    "cancelled": (StateType.CANCELLED,),
}
"""Types of Prefect's states by the words of ``--state``."""
LOG_LINES = 10
ENDED_BY_SIGNAL = {
    "Crash detected! Execution was aborted by a termination signal.",
    "Finished in state Crashed('Execution was aborted by a termination signal.')",
}
"""What Prefect logs for each step and run that SIGTERM ends, whoever sent it."""
HEARTBEATS_SINCE = timedelta(days=1)


def list_runs(project: str | None, state: StateWord | None, limit: int) -> dict[str, Any]:
    """List the runs that no other run asked for, newest first, each with its child flow runs.

    Args:
        project: Runs of this project only, or None for all.
        state: Runs in such a state only, or None for all.
        limit: Number of runs at most.

    Returns:
        The document, with the rows as ``runs``.

    Raises:
        BadSettings: no server is set.
        ServerProblem: the server does not answer.
    """
    with connected() as client:
        return {"ok": True, "runs": rows_of(client, _matching_runs(client, project, state, limit))}


def _matching_runs(
    client: SyncPrefectClient, project: str | None, state: StateWord | None, limit: int
) -> list[FlowRun]:
    found: list[FlowRun] = []
    page = 0
    while len(found) < limit:
        runs = top_runs(client, STATES[state] if state else (), page)
        # The server cannot look into parameters.
        found += [run for run in runs if project is None or project_of(run) == project]
        if len(runs) < PAGE:
            break
        page += 1
    return found[:limit]


def show_run(which: str) -> dict[str, Any]:
    """Describe one run: its state, request, steps, child flow runs, and what can be done with it now.

    Args:
        which: Id, beginning of an id, or name.

    Returns:
        The document.

    Raises:
        BadRequest: there is no such run, or there are several.
        BadSettings: no server is set.
        ServerProblem: the server does not answer.
    """
    with connected() as client:
        run = find_run(client, which)
        (row,) = rows_of(client, [run])
        heartbeat = last_heartbeats(client, [run.id], datetime.now(UTC) - HEARTBEATS_SINCE).get(run.id)
        parent = parent_of(client, run)
        return {
            "ok": True,
            **row,
            "project": row["project"] or (project_of(client.read_flow_run(parent)) if parent else None),
            "state_since": run.state.timestamp.isoformat() if run.state else None,
            "request": run.parameters.get("request") or run.parameters.get("job"),
            "attempts": run.run_count,
            "last_heartbeat": heartbeat.isoformat() if heartbeat else None,
            "work_pool": run.work_pool_name,
            "parent": str(parent) if parent else None,
            "steps": _steps(client, run),
            "warnings": _warnings(client, [row, *row["child_runs"]]),
            "can": _can(run),
        }


def _steps(client: SyncPrefectClient, run: FlowRun) -> list[dict[str, Any]]:
    return [
        {
            "name": plain_name(step),
            "state": step.state.name if step.state else None,
            "began": step.start_time.isoformat() if step.start_time else None,
            "seconds": round(step.estimated_run_time.total_seconds(), 1),
            "attempts": step.run_count,
        }
        for step in steps_of(client, run)
    ]


def _warnings(client: SyncPrefectClient, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The last log lines of runs that are warnings or errors, oldest first.

    That a signal ended an attempt is left out, unless the run ended by that: a cancel or a hand-over ends each so.
    """
    crashed = {row["flow_run"] for row in rows if row["flow_run_state"] == "Crashed"}
    ids = LogFilterFlowRunId(any_=[UUID(row["flow_run"]) for row in rows])
    chosen = LogFilter(flow_run_id=ids, level=LogFilterLevel(ge_=logging.WARNING))
    logs = client.read_logs(chosen, limit=PAGE, sort=LogSort.TIMESTAMP_DESC)
    kept = [log for log in logs if log.message not in ENDED_BY_SIGNAL or str(log.flow_run_id) in crashed]
    return [
        {
            "time": log.timestamp.isoformat(),
            "level": logging.getLevelName(log.level),
            "flow_run": str(log.flow_run_id),
            "message": log.message,
        }
        for log in reversed(kept[:LOG_LINES])
    ]


def _can(run: FlowRun) -> list[str]:
    """Verbs that do something with a run in its state."""
    if run.state is None or not is_final(run):
        return ["answer", "cancel"] if is_asking(run) else ["cancel"]
    return [] if run.state.is_completed() else ["retry"]
