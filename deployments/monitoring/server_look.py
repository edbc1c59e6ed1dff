"""A look at the Prefect server: flow runs by state, queues, workers, trainings and crashes.

It counts, and reads no run that has ended, except those that crashed just now: how many requests it makes does not
grow with the number of runs.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_REQUEST_TIMEOUT, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

from deployments.monitoring.figures import Crash, RunningTraining, ServerFigures
from deployments.monitoring.queues_look import look_at_pools
from deployments.remote.last_backup import last_backup
from deployments.remote.run_queries import AHEAD, FLOWS, TAG
from deployments.remote.server import connected
from tasks.orchestration.liveness import run_key_of
from tasks.orchestration.server_time import time_of_server

COUNTED = (*FLOWS, "detect", "clean", "supervise")
"""The flows of all deployments."""
STATES = tuple(state.value.lower() for state in StateType)
MAX_TRAININGS = 50
MAX_CRASHES = 20
"""Crashes that one look reads."""
CRASH_WINDOW = timedelta(minutes=15)
"""So long the store may be away until a crash is not counted."""
START = datetime(2000, 1, 1, tzinfo=UTC)
IMPATIENT = {PREFECT_CLIENT_MAX_RETRIES: 1, PREFECT_API_REQUEST_TIMEOUT: 10.0}
"""Prefect's client would repeat a request for a minute; the next look comes sooner."""
CRASHED = "prefect.flow-run.Crashed"


class ServerLook:
    """Looks at the server that the settings name; crashes before the first look do not count."""

    def __init__(self) -> None:
        self._first: datetime | None = None

    def __call__(self) -> ServerFigures:
        """Look.

        Raises:
            ServerProblem: the server does not answer.
        """
        with temporary_settings(IMPATIENT), connected() as client:
            now = time_of_server(client)
            self._first = self._first or now
            runs, seconds = _history(client, now)
            trainings, more_trainings = _trainings(client, now)
            crashes, more_crashes = _crashes(client, max(self._first, now - CRASH_WINDOW))
            pools = look_at_pools(client, now)
            backup_begun = last_backup(client)
        return ServerFigures(
            flow_runs=runs,
            training_seconds=seconds,
            queues=pools.queues,
            workers_online=pools.workers_online,
            trainings=trainings,
            crashes=crashes,
            backup_begun=backup_begun,
            left_out={"trainings": more_trainings, "crashes": more_crashes, "queues": pools.queues_left_out},
        )


def _history(client: SyncPrefectClient, now: datetime) -> tuple[dict[tuple[str, str], int], dict[str, float]]:
    """Flow runs by flow and state, and for how long train flow runs ran, by state."""
    runs = {(flow, state): 0 for flow in COUNTED for state in STATES}
    seconds = dict.fromkeys(STATES, 0.0)
    end = now + AHEAD
    for flow in COUNTED:
        question = {
            "history_start": START.isoformat(),
            "history_end": end.isoformat(),
            "history_interval_seconds": (end - START).total_seconds(),
            "flows": {"name": {"any_": [flow]}},
            "flow_runs": {"tags": {"all_": [TAG]}},
        }
        answer = client.request("POST", "/flow_runs/history", json=question)
        answer.raise_for_status()
        for entry in answer.json()[0]["states"]:  # of each name of a state
            state = entry["state_type"].lower()
            runs[flow, state] += entry["count_runs"]
            if flow == "train":
                seconds[state] += entry["sum_estimated_run_time"]
    return runs, seconds


def _trainings(client: SyncPrefectClient, now: datetime) -> tuple[list[RunningTraining], int]:
    """The train flow runs that run, one for each run key; and how many more there are."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))
    chosen = FlowRunFilter(tags=FlowRunFilterTags(all_=[TAG]), state=state)
    flows = FlowFilter(name=FlowFilterName(any_=["train"]))
    found = client.read_flow_runs(
        flow_filter=flows, flow_run_filter=chosen, sort=FlowRunSort.START_TIME_ASC, limit=MAX_TRAININGS
    )
    trainings: dict[str, RunningTraining] = {}
    for run in found:
        key = run_key_of(run)
        if key is not None and run.state is not None:
            # A second flow run of the same key waits for the first.
            trainings.setdefault(key, RunningTraining(key, _seconds_between(run.state.timestamp, now)))
    return list(trainings.values()), _how_many_more(client, flows, chosen, len(found))


def _how_many_more(client: SyncPrefectClient, flows: FlowFilter, chosen: FlowRunFilter, found: int) -> int:
    if found < MAX_TRAININGS:
        return 0
    question = {"flows": flows.model_dump(mode="json"), "flow_runs": chosen.model_dump(mode="json")}
    answer = client.request("POST", "/flow_runs/count", json=question)
    answer.raise_for_status()
    return max(int(answer.json()) - found, 0)


def _crashes(client: SyncPrefectClient, since: datetime) -> tuple[list[Crash], int]:
    """Train flow runs that crashed since then, oldest first; and how many more there are."""
    try:
        train = client.read_deployment_by_name("train/train").id
    except ObjectNotFound:  # nothing is deployed yet
        return [], 0
    chosen = {
        "occurred": {"since": since.isoformat()},
        "event": {"name": [CRASHED]},
        "related": {"id": [f"prefect.deployment.{train}"]},
        "order": "ASC",
    }
    answer = client.request("POST", "/events/filter", json={"filter": chosen, "limit": MAX_CRASHES})
    answer.raise_for_status()
    events = answer.json()["events"]
    times = {event["id"]: (_run_of(event), datetime.fromisoformat(event["occurred"])) for event in events}
    runs = _read_runs(client, {run for run, _ in times.values()})
    return list(_with_begin(client, times, runs)), max(answer.json()["total"] - len(events), 0)


def _run_of(event: Mapping[str, Mapping[str, str]]) -> UUID:
    return UUID(event["resource"]["prefect.resource.id"].rpartition(".")[2])


def _read_runs(client: SyncPrefectClient, ids: set[UUID]) -> dict[UUID, FlowRun]:
    if not ids:
        return {}
    found = client.read_flow_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=list(ids))))
    return {UUID(str(run.id)): run for run in found}


def _with_begin(
    client: SyncPrefectClient, times: Mapping[str, tuple[UUID, datetime]], runs: Mapping[UUID, FlowRun]
) -> Iterator[Crash]:
    """Crashes of runs that had begun to run."""
    states = {run: client.read_flow_run_states(run) for run in runs}
    for event, (run, at) in times.items():
        key = run_key_of(runs[run]) if run in runs else None
        began = begin_of_attempt(states.get(run, ()), at)
        if key is not None and began is not None:
            yield Crash(event, key, began, at)


def begin_of_attempt(states: Sequence[State], crashed: datetime) -> datetime | None:
    """When the attempt that crashed began to run.

    Args:
        states: All states of the flow run, in any order.
        crashed: When the run became Crashed.

    Returns:
        The time; None if no attempt was running: the run crashed before it was started again, or was given up.
    """
    began = None
    before = [state for state in states if state.timestamp < crashed]
    for state in sorted(before, key=lambda state: state.timestamp, reverse=True):
        if state.type not in (StateType.RUNNING, StateType.CANCELLING):
            break
        began = state.timestamp
    return began


def _seconds_between(begin: datetime, end: datetime) -> float:
    return max((end - begin).total_seconds(), 0.0)
