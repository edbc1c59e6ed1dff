"""What is done about a flow run that crashed, went silent, or is being cancelled, when no run waits for it.

A child flow run is looked after by the run that waits for it. This is for the runs that nobody waits for, and for
children whose parent has ended. A run that asks a person something goes on without an answer when time is up.
"""

import time
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelling

from tasks.orchestration.asking_runs import end_question, has_asked, is_over
from tasks.orchestration.liveness import Liveness
from tasks.orchestration.recovery import is_given_up, recover
from tasks.storage.s3 import Store

LOOK_SECONDS = 5.0
SUSPENSION_SECONDS = 60.0
"""A run that asks is suspended at most so long after it looked at the time."""
UNFINISHED = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING, StateType.PAUSED]


def supervise_run(run_id: UUID) -> str:
    """Look at a flow run, and do what it needs.

    Args:
        run_id: The flow run.

    Returns:
        What was found, and done, in a sentence.

    Raises:
        StoreUnavailable: the store does not answer.
    """
    with get_client(sync_client=True) as client:
        try:
            run = client.read_flow_run(run_id)
        except ObjectNotFound:
            return "it was deleted"
        return f"{run.name}: {_look_after(client, run)}"


def _look_after(client: SyncPrefectClient, run: FlowRun) -> str:
    if run.state is not None and (run.state.is_cancelling() or run.state.is_cancelled()):
        return f"{_cancel_children(client, run)} child flow runs are cancelled with it"
    if has_asked(run) and is_over(client, run):
        run = _wait_until_suspended(client, run)
    if run.state is not None and run.state.is_paused():
        return end_question(client, run)
    if (parent := _parent_of(client, run)) is not None:
        comes_back = parent.state is not None and parent.state.is_crashed() and not is_given_up(parent)
        if parent.state is None or not parent.state.is_final() or comes_back:
            return f"the run {parent.name}, which waits for it, looks after it"
        if parent.state.is_cancelled():
            _cancel(client, run)
            return "cancelled, as the run that waited for it"
    store = Store.from_environment()
    if run.state is not None and run.state.is_crashed():
        reason = run.state.message or "it crashed"
    elif _is_lost(client, store, run):
        run = client.read_flow_run(run.id)
        reason = "no sign of life any more, so its worker or machine is lost"
    else:
        return "it lives, or has ended"
    return "it is started again" if recover(client, store, run, reason) else "it is given up"


def _wait_until_suspended(client: SyncPrefectClient, run: FlowRun) -> FlowRun:
    """A run may look at the time just before its end, and be suspended just after it."""
    end = time.monotonic() + SUSPENSION_SECONDS
    while run.state is not None and run.state.is_running() and time.monotonic() < end:
        time.sleep(LOOK_SECONDS)
        run = client.read_flow_run(run.id)
    return run


def _is_lost(client: SyncPrefectClient, store: Store, run: FlowRun) -> bool:
    """Watch a running flow run until it shows a sign of life, or has been silent for too long."""
    liveness = Liveness(client, store)
    while run.state is not None and not (run.state.is_final() or run.state.is_scheduled() or run.state.is_paused()):
        if (sighting := liveness.look(run)) != "unclear":
            return sighting == "lost"
        time.sleep(LOOK_SECONDS)
        run = client.read_flow_run(run.id)
    return False


def _parent_of(client: SyncPrefectClient, run: FlowRun) -> FlowRun | None:
    """The flow run that waits for a child flow run; None if it has none, or it was deleted."""
    if run.parent_task_run_id is None:
        return None
    try:
        parent_id = client.read_task_run(run.parent_task_run_id).flow_run_id
        return client.read_flow_run(parent_id) if parent_id else None
    except ObjectNotFound:
        return None


def _cancel_children(client: SyncPrefectClient, run: FlowRun) -> int:
    children = client.read_flow_runs(
        flow_run_filter=FlowRunFilter(
            parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[UUID(str(run.id))]),
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNFINISHED)),
        )
    )
    for child in children:
        _cancel(client, child)
    return len(children)


def _cancel(client: SyncPrefectClient, run: FlowRun) -> None:
    client.set_flow_run_state(UUID(str(run.id)), Cancelling(message="the run that waited for it was cancelled"))
