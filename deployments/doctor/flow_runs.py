"""Checks of flow runs that do not get on: without a heartbeat, or waiting."""

from datetime import datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound

from deployments.doctor.check import Check, check_of_faults
from deployments.doctor.clock import server_time
from deployments.remote.heartbeats import last_heartbeats
from deployments.remote.run_queries import all_runs
from deployments.remote.run_rows import message_of

FREQUENCY = "PREFECT_FLOWS_HEARTBEAT_FREQUENCY"
"""Seconds between heartbeats of a flow run; a deployment sets it for its runs."""
DEFAULT_FREQUENCY = 180
MISSED = 3
"""Heartbeats in a row whose absence counts as silence."""
MIN_SILENCE = timedelta(minutes=3)
MAX_SILENCE = timedelta(days=1)
"""Heartbeats are looked for as far back as this."""


def silent_runs(client: SyncPrefectClient, now: datetime | None = None) -> Check:
    """Whether all running flow runs show that they are alive.

    Args:
        client: Prefect's client.
        now: The time, or None for that of the server.

    Returns:
        The check.
    """
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))
    running = all_runs(client, FlowRunFilter(state=state), 1)
    now = now or server_time(client)
    frequencies = {run.deployment_id: _frequency(client, run.deployment_id) for run in running}
    heartbeats = last_heartbeats(client, [run.id for run in running], now - MAX_SILENCE)
    # A run that has just begun, or begun again, had no time for a heartbeat.
    alive = {run.id: heartbeats.get(run.id) or now - MAX_SILENCE for run in running}
    began = {run.id: run.state.timestamp if run.state else now for run in running}
    silences = {run: now - max(alive[run], began[run]) for run in alive}
    silent = [run for run in running if silences[run.id] > _limit(frequencies[run.deployment_id])]
    faults = [f"{run.name} ({run.id}) shows no sign of life for {_minutes(silences[run.id])} minutes" for run in silent]
    remedy = "see whether its worker and the network are up; `nasflow runs cancel` frees what it holds"
    if any(frequencies[run.deployment_id] is None for run in silent):
        remedy += f"; its deployment does not set {FREQUENCY}: run `nasflow deploy` again"
    return check_of_faults("running", f"{len(running)} flow runs are running", faults, remedy)


def waiting_runs(client: SyncPrefectClient) -> Check:
    """Whether flow runs wait to be tried again, as while the store is away, or for a pool or queue that was deleted."""
    state = FlowRunFilterState(name=FlowRunFilterStateName(any_=["AwaitingRetry"]))
    runs = all_runs(client, FlowRunFilter(state=state), 1)
    faults = [f"{run.name} ({run.id}): {message_of(run.state) or 'no reason given'}" for run in runs]
    remedy = "mend what the message names; the run is tried again by itself once a worker is free"
    if orphans := _orphans(client):
        faults += [
            f"{run.name} ({run.id}): its work pool or queue was deleted, so that no worker takes it" for run in orphans
        ]
        remedy += "; `nasflow runs cancel` ends one that no worker takes, and ask for it again"
    return check_of_faults("waiting", "no flow run waits to be tried again, or for what was deleted", faults, remedy)


def _orphans(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs that are due in no work pool. A pool or queue of the same name does not get them back."""
    chosen = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        next_scheduled_start_time=FlowRunFilterNextScheduledStartTime.model_validate({"before_": server_time(client)}),
    )
    return [run for run in all_runs(client, chosen, 1) if run.deployment_id and run.work_pool_name is None]


def _frequency(client: SyncPrefectClient, deployment: UUID | None) -> int | None:
    """Seconds between heartbeats that a deployment sets for its runs; None if it sets none."""
    try:
        variables = client.read_deployment(deployment).job_variables if deployment else {}
    except ObjectNotFound:
        return None
    value = str(variables.get("env", {}).get(FREQUENCY, ""))
    return int(value) if value.isdecimal() else None


def _limit(frequency: int | None) -> timedelta:
    """Silence that no run has that is alive."""
    return max(MIN_SILENCE, MISSED * timedelta(seconds=frequency or DEFAULT_FREQUENCY))


def _minutes(time: timedelta) -> int:
    return int(time.total_seconds() // 60)
