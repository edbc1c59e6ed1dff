"""Runs that a schedule made: those that wait, the last one, and having the server make them.

Prefect makes the runs of a schedule in advance. When one schedule changes, the server removes the waiting runs of all
schedules of the deployment, and makes them again within a minute. Made again at once, no run is missed.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterCreatedBy,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound


def waiting_runs(client: SyncPrefectClient, schedule: DeploymentSchedule) -> list[FlowRun]:
    """Read the runs that a schedule made and that have never started."""
    made = FlowRunFilter(
        created_by=FlowRunFilterCreatedBy(id_=[schedule.id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
    )
    return [run for run in client.read_flow_runs(flow_run_filter=made, limit=200) if run.run_count == 0]


def drop_waiting_runs(client: SyncPrefectClient, schedule: DeploymentSchedule) -> int:
    """Remove runs of a schedule that have never started, late ones among them, and count them."""
    dropped = 0
    while runs := waiting_runs(client, schedule):
        for run in runs:
            try:
                client.delete_flow_run(UUID(str(run.id)))
                dropped += 1
            except ObjectNotFound:
                continue
    return dropped


def make_runs(
    client: SyncPrefectClient, deployment_id: UUID, *, since: datetime, until: datetime | None = None
) -> None:
    """Have the server make the runs of all active schedules now; it makes none twice.

    Args:
        client: Client of the server.
        deployment_id: Deployment of the schedules.
        since: Earliest time that a run is due.
        until: Latest time, or None for as many runs as the server makes in advance.
    """
    body: dict[str, Any] = {"start_time": since.isoformat()}
    if until is not None:
        body |= {"end_time": until.isoformat(), "min_time": 0.0, "min_runs": 1, "max_runs": 1}
    client.request("POST", "/deployments/{id}/schedule", path_params={"id": deployment_id}, json=body)


def last_run(client: SyncPrefectClient, schedule: DeploymentSchedule) -> FlowRun | None:
    """Read the newest run of a schedule that has started or ended."""
    states: list[StateType] = [state for state in StateType if state is not StateType.SCHEDULED]
    made = FlowRunFilter(
        created_by=FlowRunFilterCreatedBy(id_=[schedule.id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=states)),
    )
    runs = client.read_flow_runs(flow_run_filter=made, sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=1)
    return runs[0] if runs else None
