"""Asking a deployment for a flow run through Prefect's API, following it, and reading what it came to."""

import json
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from httpx import HTTPError, HTTPStatusError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import ArtifactSort
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings

from deployments.remote.run_queries import (
    child_flow_runs,
    is_running,
    newest_bar,
    percent_of,
    progress_bars,
    task_runs,
)
from deployments.remote.server import first_line, is_answer_of_prefect, no_answer, server_url
from tasks.errors import BadRequest, NasflowError, ServerProblem
from tasks.orchestration.asking_runs import QUESTION, is_asking
from tasks.orchestration.step_times import plain_name, start_time, step_seconds
from tasks.records import Part, Record

POLL_SECONDS = 1.0
LOST_SECONDS = 120.0
"""After this long without an answer, the server is given up."""
OnProgress = Callable[[float, float, str], None]
"""Takes how much is done, of how much, and a text about it."""


def ask_for(name: str, request: Record, **others: Part) -> FlowRun:
    """Create a run of a deployment.

    Args:
        name: The deployment, ``flow/deployment``.
        request: Its parameter ``request``.
        others: Its other parameters, by name.

    Returns:
        The flow run.

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
                deployment.id,
                parameters={
                    parameter: value.model_dump(mode="json", exclude_none=True)
                    for parameter, value in {"request": request, **others}.items()
                },
            )
    except ObjectNotFound:
        raise ServerProblem(f"{url}: no deployment {name}; run `nasflow deploy` first") from None
    except (HTTPError, RuntimeError) as error:
        if isinstance(error, HTTPStatusError) and is_answer_of_prefect(error):
            raise BadRequest(f"{url}: {error.response.text[:300]}") from None
        raise no_answer(error) from None


def follow(run: FlowRun, on_progress: OnProgress, on_question: Callable[[FlowRun], None]) -> FlowRun:
    """Wait for the end of a run, reporting the progress of it and its child flow runs.

    Args:
        run: The run.
        on_progress: Called with its progress.
        on_question: Called once whenever it is suspended to ask a person.

    Returns:
        The completed run.

    Raises:
        ServerProblem: the server does not answer for too long.
        NasflowError: the run did not complete; the message is its own.
    """
    last_answer, asked = time.monotonic(), None
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
            if is_asking(run) and run.labels[QUESTION] != asked:
                asked = run.labels[QUESTION]
                on_question(run)
            time.sleep(POLL_SECONDS)
    if not run.state.is_completed():
        message = (run.state.message or run.state.name or "").removeprefix("Flow run encountered an exception: ")
        raise NasflowError(f"flow run {run.name} ({run.id}) ended {run.state.name}: {message}")
    return run


def _progress(client: SyncPrefectClient, run: FlowRun) -> tuple[float, float, str]:
    """Percent done, 100, and a text about the step that is running."""
    running = [task for task in task_runs(client, run) if is_running(task)]
    if not running:
        return 0, 100, f"{run.name}: {(run.state.name or '').lower() if run.state else 'waiting'}"
    step = max(running, key=start_time)
    progress = _latest_progress(client, run)
    if progress is None:
        return 0, 100, plain_name(step)
    percent, text = progress
    return percent, 100, f"{plain_name(step)}: {text}"


def _latest_progress(client: SyncPrefectClient, run: FlowRun) -> tuple[float, str] | None:
    """Percent and text of the newest progress bar of running child flow runs."""
    child_runs = child_flow_runs(client, [run]).get(UUID(str(run.id)), [])
    bar = newest_bar(progress_bars(client, filter(is_running, child_runs)), child_runs)
    return (percent_of(bar), bar.description or "") if bar else None


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


def describe(run: FlowRun) -> dict[str, Any]:
    """Id, name, state and address of a run, for a document."""
    ui = get_current_settings().ui_url
    return {
        "flow_run": str(run.id),
        "flow_run_name": run.name,
        "flow_run_state": run.state.name if run.state else None,
        "url": f"{ui}/runs/flow-run/{run.id}" if ui else None,
    }


def seconds_of_steps(run: FlowRun) -> dict[str, float]:
    """Seconds of each step of a run that has ended, as ``step_seconds`` gives them."""
    with get_client(sync_client=True) as client:
        return step_seconds(client, UUID(str(run.id)))
