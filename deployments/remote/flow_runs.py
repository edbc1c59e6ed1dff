"""Asking a deployment for a flow run through Prefect's API, following it, and reading what it came to."""

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

from deployments.remote.server import first_line, is_answer_of_prefect, no_answer, server_url
from tasks.errors import BadRequest, NasflowError, ServerProblem
from tasks.records import RetrainRequest

POLL_SECONDS = 1.0
LOST_SECONDS = 120.0
"""After this long without an answer, the server is given up."""
OnProgress = Callable[[float, float, str], None]
"""Takes how much is done, of how much, and a text about it."""


def ask_for(name: str, request: RetrainRequest) -> FlowRun:
    """Create a run of a deployment, ``flow/deployment``.

    Raises:
        BadSettings: no server is set.
        ServerProblem: the server does not answer, or has no such deployment.
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
    except (HTTPError, RuntimeError) as error:
        if isinstance(error, HTTPStatusError) and is_answer_of_prefect(error):
            raise BadRequest(f"{url}: {error.response.text[:300]}") from None
        raise no_answer(error) from None


def follow(run: FlowRun, on_progress: OnProgress) -> FlowRun:
    """Wait for the end of a run, reporting the progress of it and its child flow runs.

    Raises:
        ServerProblem: the server does not answer for too long.
        NasflowError: the run did not complete; the message is its own.
    """
    last_answer = time.monotonic()
    with get_client(sync_client=True) as client:
        while True:
            try:
                run = client.read_flow_run(UUID(str(run.id)))
                on_progress(*_progress(client, run))
                last_answer = time.monotonic()
            except HTTPError as error:
                if time.monotonic() - last_answer > LOST_SECONDS:
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


def _progress(client: SyncPrefectClient, run: FlowRun) -> tuple[float, float, str]:
    """Percent done, 100, and a text about the step that is running."""
    running = [task for task in _task_runs(client, run) if task.state is not None and task.state.is_running()]
    if not running:
        return 0, 100, f"{run.name}: {(run.state.name or '').lower() if run.state else 'waiting'}"
    step = max(running, key=_start_time)
    progress = _latest_progress(client, run)
    if progress is None:
        return 0, 100, _plain_name(step)
    percent, text = progress
    return percent, 100, f"{_plain_name(step)}: {text}"


def _latest_progress(client: SyncPrefectClient, run: FlowRun) -> tuple[float, str] | None:
    """Percent and text of the newest progress bar of running child flow runs."""
    child_runs = _child_flow_runs(client, run)
    running = [UUID(str(child.id)) for child in child_runs if child.state is not None and child.state.is_running()]
    if not running:
        return None
    artifacts = client.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=running), type=ArtifactFilterType(any_=["progress"])
        ),
        sort=ArtifactSort.UPDATED_DESC,
        limit=1,
    )
    if not artifacts or not isinstance(artifacts[0].data, int | float):
        return None
    return float(artifacts[0].data), artifacts[0].description or ""


def _child_flow_runs(client: SyncPrefectClient, run: FlowRun) -> list[FlowRun]:
    parent = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[UUID(str(run.id))]))
    return client.read_flow_runs(flow_run_filter=parent)


def _task_runs(client: SyncPrefectClient, run: FlowRun) -> list[TaskRun]:
    return client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[UUID(str(run.id))])),
        task_run_filter=TaskRunFilter(),
    )


def _start_time(step: TaskRun) -> datetime:
    return step.start_time or datetime.max.replace(tzinfo=UTC)


def _plain_name(step: TaskRun) -> str:
    """The name of a step without the suffix that Prefect adds to make it unique."""
    return step.name.rpartition("-")[0] or step.name


def step_seconds(run: FlowRun) -> dict[str, float]:
    """Wall time of each step of a finished run, in seconds, in the order in which they started."""
    with get_client(sync_client=True) as client:
        # Prefect adds a task run for each child flow run, which is no step of ours.
        steps = [task for task in _task_runs(client, run) if task.start_time and "run_deployment" not in task.task_key]
    steps.sort(key=_start_time)
    return {_plain_name(step): round(step.total_run_time.total_seconds(), 1) for step in steps}


def outcome_row(run: FlowRun, key: str) -> dict[str, Any]:
    """Read the outcome of a completed run from the artifact with this key.

    Raises:
        NasflowError: there is no such artifact.
    """
    artifact_filter = ArtifactFilter(
        flow_run_id=ArtifactFilterFlowRunId(any_=[UUID(str(run.id))]), key=ArtifactFilterKey(any_=[key])
    )
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(artifact_filter=artifact_filter, sort=ArtifactSort.UPDATED_DESC, limit=1)
    if not artifacts:
        raise NasflowError(f"flow run {run.name} completed, but shows no outcome; look at its logs")
    data: Any = artifacts[0].data
    row: dict[str, Any] = (json.loads(data) if isinstance(data, str) else data)[0]
    return row


def skip_reason(run: FlowRun) -> str | None:
    """Why a completed run was skipped; None if it was not."""
    return run.state.message if run.state is not None and run.state.name == "Skipped" else None


def reused(run: FlowRun) -> list[str]:
    """What a run took from an earlier run: training, evaluation, both or nothing."""
    with get_client(sync_client=True) as client:
        child_flows = {client.read_flow(child.flow_id).name for child in _child_flow_runs(client, run)}
    return [stage for stage, flow in (("training", "train"), ("evaluation", "evaluate")) if flow not in child_flows]


def describe(run: FlowRun) -> dict[str, Any]:
    """Id, name, state and address of a run, for a document."""
    ui = get_current_settings().ui_url
    return {
        "flow_run": str(run.id),
        "flow_run_name": run.name,
        "flow_run_state": run.state.name if run.state else None,
        "url": f"{ui}/runs/flow-run/{run.id}" if ui else None,
    }
