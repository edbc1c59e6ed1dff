"""Flow runs as rows of JSON documents: what they are, their state, times and progress."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import Artifact, FlowRun, State

from deployments.remote.flow_runs import describe
from deployments.remote.run_queries import child_flow_runs, is_running, newest_bar, progress_bars

Row = dict[str, Any]


def rows_of(client: SyncPrefectClient, runs: list[FlowRun]) -> list[Row]:
    """A row of each run, with those of its child flow runs in it.

    Args:
        client: Prefect's client.
        runs: The runs.

    Returns:
        The rows, in the order of the runs.
    """
    child_runs = child_flow_runs(client, runs)
    everyone = [*runs, *(child for some in child_runs.values() for child in some)]
    flows = {flow: client.read_flow(flow).name for flow in {run.flow_id for run in everyone}}
    bars = progress_bars(client, filter(is_running, everyone))
    rows = []
    for run in runs:
        own = child_runs.get(UUID(str(run.id)), [])
        project = project_of(run)
        rows.append(
            {
                **_row(run, flows, project, newest_bar(bars, [run, *own])),
                "child_runs": [_row(child, flows, project, newest_bar(bars, [child])) for child in own],
            }
        )
    return rows


def project_of(run: FlowRun) -> str | None:
    """The project of a run's request; None for a run without a request, such as train."""
    request = run.parameters.get("request")
    project = request.get("project") if isinstance(request, dict) else None
    return str(project) if project else None


def message_of(state: State | None) -> str | None:
    """The message of a state without what Prefect puts before it."""
    if state is None or not state.message:
        return None
    return state.message.removeprefix("Flow run encountered an exception: ")


def _row(run: FlowRun, flows: Mapping[UUID, str], project: str | None, bar: Artifact | None) -> Row:
    state = run.state
    return {
        "flow": flows[run.flow_id],
        "project": project,
        **describe(run),
        "message": message_of(state),
        "began": run.start_time.isoformat() if run.start_time else None,
        "ended": run.end_time.isoformat() if run.end_time else None,
        # The server adds the time since the run began, so that the clock of this machine does not matter.
        "seconds": round(run.estimated_run_time.total_seconds(), 1) if run.start_time else None,
        "progress": {"percent": bar.data, "text": bar.description} if bar else None,
    }
