"""Asking a deployment for a run through Prefect's API, and following it to its end."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from httpx import HTTPError, HTTPStatusError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    ArtifactFilterType,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    TaskRunFilter,
)
from prefect.client.schemas.objects import FlowRun, TaskRun
from prefect.client.schemas.sorting import ArtifactSort
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from deployments.remote.register import first_line, server_url
from tasks.errors import BadRequest, NasflowError, ServerProblem
from tasks.records import RetrainRequest

POLL_SECONDS = 1.0
LOST_SECONDS = 120.0
"""A server that is away for this long is given up."""
Show = Callable[[float, float, str], None]


def ask_for(name: str, request: RetrainRequest) -> FlowRun:
    """Create a run of a deployment, ``flow/deployment``.

    Raises:
        BadSettings: no server is set.
        ServerProblem: the server does not answer, or no such deployment on it.
        BadRequest: the server refuses the request.
    """
    url = server_url()
    try:
        with get_client(sync_client=True) as client:
            deployment = client.read_deployment_by_name(name)
            return client.create_flow_run_from_deployment(
                deployment.id, parameters={"request": request.model_dump(mode="json", exclude_none=True)}
            )
    except ObjectNotFound:
        raise ServerProblem(f"{url}: no deployment {name}; run `nasflow deploy` first") from None
    except HTTPStatusError as error:
        raise BadRequest(f"{url}: {error.response.text[:300]}") from None
    except (HTTPError, RuntimeError) as error:
        raise ServerProblem(f"{url}: {first_line(error)}; is PREFECT_API_URL right, and the server up?") from None


def follow(run: FlowRun, show: Show) -> FlowRun:
    """Wait for a run's end, showing what it and its children do.

    Raises:
        ServerProblem: the server is away for too long.
        NasflowError: the run did not complete; the message is its own.
    """
    answered = time.monotonic()
    with get_client(sync_client=True) as client:
        while True:
            try:
                run = client.read_flow_run(UUID(str(run.id)))
                show(*_what_runs(client, run))
                answered = time.monotonic()
            except HTTPError as error:
                if time.monotonic() - answered > LOST_SECONDS:
                    raise ServerProblem(
                        f"the Prefect server does not answer any more ({first_line(error)}); the run may go on"
                    ) from None
            if run.state is not None and run.state.is_final():
                break
            time.sleep(POLL_SECONDS)
    if not run.state.is_completed():
        message = (run.state.message or run.state.name or "").removeprefix("Flow run encountered an exception: ")
        raise NasflowError(f"flow run {run.name} ({run.id}) ended {run.state.name}: {message}")
    return run


def _what_runs(client: SyncPrefectClient, run: FlowRun) -> tuple[float, float, str]:
    """Percent, of 100, and a text about the innermost thing that runs."""
    tasks = [task for task in task_runs(client, run) if task.state is not None and task.state.is_running()]
    if not tasks:
        return 0, 100, f"{run.name}: {(run.state.name or '').lower() if run.state else 'waiting'}"
    step = max(tasks, key=_started)
    progress = _latest_progress(client, run)
    if progress is None:
        return 0, 100, _plain_name(step)
    percent, text = progress
    return percent, 100, f"{_plain_name(step)}: {text}"


def _latest_progress(client: SyncPrefectClient, run: FlowRun) -> tuple[float, str] | None:
    """The newest progress bar of the run's children that run."""
    children = _child_flow_runs(client, run)
    running = [UUID(str(child.id)) for child in children if child.state is not None and child.state.is_running()]
    if not running:
        return None
    found = client.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=running), type=ArtifactFilterType(any_=["progress"])
        ),
        sort=ArtifactSort.UPDATED_DESC,
        limit=1,
    )
    if not found or not isinstance(found[0].data, int | float):
        return None
    return float(found[0].data), found[0].description or ""


def task_runs(client: SyncPrefectClient, run: FlowRun) -> list[TaskRun]:
    """The task runs of a flow run."""
    return client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(str(run.id))])),
        task_run_filter=TaskRunFilter(),
    )


def step_seconds(run: FlowRun) -> dict[str, float]:
    """Wall time of each step of a finished run, in seconds, in their order."""
    with get_client(sync_client=True) as client:
        # Prefect stands each child run in for by a task run, which is no step of ours.
        steps = [task for task in task_runs(client, run) if task.start_time and "run_deployment" not in task.task_key]
    steps.sort(key=_started)
    return {_plain_name(step): round(step.total_run_time.total_seconds(), 1) for step in steps}


def _started(step: TaskRun) -> datetime:
    return step.start_time or datetime.max.replace(tzinfo=UTC)


def _plain_name(step: TaskRun) -> str:
    """The step's name without the suffix that Prefect gives to make it unique."""
    return step.name.rpartition("-")[0] or step.name


def outcome_row(run: FlowRun, key: str) -> dict[str, Any]:
    """What a completed run says that it came to, in the artifact of that key.

    Raises:
        NasflowError: it does not say.
    """
    wanted = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(str(run.id))]), key=ArtifactFilterKey(any_=[key])
    )
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=wanted, sort=ArtifactSort.UPDATED_DESC, limit=1)
    if not found:
        raise NasflowError(f"flow run {run.name} completed, but shows no outcome; look at its logs")
    data: Any = found[0].data
    row: dict[str, Any] = (json.loads(data) if isinstance(data, str) else data)[0]
    return row


def skipped(run: FlowRun) -> str | None:
    """Why a completed run had nothing to do, if it had not."""
    return run.state.message if run.state is not None and run.state.name == "Skipped" else None


def reused(run: FlowRun) -> list[str]:
    """What a run took from an earlier one instead of doing it again."""
    with get_client(sync_client=True) as client:
        did = {client.read_flow(child.flow_id).name for child in _child_flow_runs(client, run)}
    return [what for what, flow in (("training", "train"), ("evaluation", "evaluate")) if flow not in did]


def _child_flow_runs(client: SyncPrefectClient, run: FlowRun) -> list[FlowRun]:
    parent = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[UUID(str(run.id))]))
    return client.read_flow_runs(flow_run_filter=parent)


def describe(run: FlowRun) -> dict[str, Any]:
    """Id, state and address of a run, for a document."""
    ui = get_current_settings().ui_url
    return {
        "flow_run": str(run.id),
        "flow_run_name": run.name,
        "flow_run_state": run.state.name if run.state else None,
        "url": f"{ui}/runs/flow-run/{run.id}" if ui else None,
    }
