"""Where the time of a finished flow run went: its steps, and those of its child flow runs."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType

from deployments.remote.run_queries import child_flow_runs, plain_name, start_time, steps_of

BEFORE_RUNNING = {StateType.SCHEDULED: "wait for a worker", StateType.PENDING: "start"}
"""What a child flow run does in the states before it runs."""
Span = tuple[datetime, str, float]
"""When something began, what it was, and how many seconds it took."""


def step_seconds(run: FlowRun) -> dict[str, float]:
    """Wall time of each step of a finished run, in seconds, in the order in which they started.

    A name such as "train: score" is a step of a child flow run, within the step that waited for it. "train: wait for a
    worker" and "train: start" is the time before its first step.
    """
    with get_client(sync_client=True) as client:
        spans = list(_steps(client, run))
        for child in child_flow_runs(client, [run]).get(UUID(str(run.id)), []):
            flow = client.read_flow(child.flow_id).name
            spans += [(began, f"{flow}: {name}", seconds) for began, name, seconds in _child_spans(client, child)]
    totals: dict[str, float] = {}
    for _, name, seconds in sorted(spans):
        totals[name] = totals.get(name, 0.0) + seconds
    return {name: round(seconds, 1) for name, seconds in totals.items()}


def _steps(client: SyncPrefectClient, run: FlowRun) -> Iterator[Span]:
    for step in steps_of(client, run):
        yield start_time(step), plain_name(step), step.total_run_time.total_seconds()


def _child_spans(client: SyncPrefectClient, child: FlowRun) -> Iterator[Span]:
    states = sorted(client.read_flow_run_states(child.id), key=lambda state: state.timestamp)
    for state, following in pairwise(states):
        if name := BEFORE_RUNNING.get(state.type):
            yield state.timestamp, name, (following.timestamp - state.timestamp).total_seconds()
    yield from _steps(client, child)
