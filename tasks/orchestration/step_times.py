"""Where the time of a flow run went: its steps, and those of its child flow runs."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType, TaskRun

WAIT, START = "wait for a worker", "start"
BEFORE_RUNNING = {StateType.SCHEDULED: WAIT, StateType.PENDING: START}
"""What a flow run does in the states before it runs."""
PAGE = 200
"""Objects that the server returns for one request at most; a run has some dozen steps."""
Span = tuple[datetime, str, float]
"""When something began, what it was, and how many seconds it took."""


def step_seconds(client: SyncPrefectClient, run_id: UUID) -> dict[str, float]:
    """Wall time of each step of a run that has ended.

    A name such as "train: score" is a step of a child flow run, within the step that waited for it. "wait for a worker"
    and "start" is the time before the first step of a run.

    Args:
        client: Prefect's client.
        run_id: The flow run.

    Returns:
        Seconds by name of the step, in the order in which they began.
    """
    spans = list(_spans(client, run_id))
    for child in child_flow_runs(client, run_id):
        flow = client.read_flow(child.flow_id).name
        spans += [(began, f"{flow}: {name}", seconds) for began, name, seconds in _spans(client, UUID(str(child.id)))]
    totals: dict[str, float] = {}
    for _, name, seconds in sorted(spans):
        totals[name] = totals.get(name, 0.0) + seconds
    return {name: round(seconds, 1) for name, seconds in totals.items()}


def is_step(task: TaskRun) -> bool:
    """Whether a task run is a step of ours that has begun. Prefect adds a task run for each child flow run."""
    return task.start_time is not None and "run_deployment" not in task.task_key


def start_time(step: TaskRun) -> datetime:
    """When a step began; one that has not is later than all others."""
    return step.start_time or datetime.max.replace(tzinfo=UTC)


def plain_name(step: TaskRun) -> str:
    """The name of a step without the suffix that Prefect adds to make it unique."""
    return step.name.rpartition("-")[0] or step.name


def _spans(client: SyncPrefectClient, run_id: UUID) -> Iterator[Span]:
    states = sorted(client.read_flow_run_states(run_id), key=lambda state: state.timestamp)
    for state, following in pairwise(states):
        if name := BEFORE_RUNNING.get(state.type):
            yield state.timestamp, name, (following.timestamp - state.timestamp).total_seconds()
    ended = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=list(TERMINAL_STATES))))
    run = FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))
    for step in filter(is_step, client.read_task_runs(flow_run_filter=run, task_run_filter=ended, limit=PAGE)):
        yield start_time(step), plain_name(step), step.total_run_time.total_seconds()


def child_flow_runs(client: SyncPrefectClient, run_id: UUID) -> list[FlowRun]:
    """The flow runs that a flow run has asked for, in all of its attempts."""
    parent = FlowRunFilterParentFlowRunId(any_=[run_id])
    return client.read_flow_runs(flow_run_filter=FlowRunFilter(parent_flow_run_id=parent), limit=PAGE)
