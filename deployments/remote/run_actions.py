"""``nasflow runs cancel`` and ``runs retry``: changing the state of flow runs."""

import time
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.client.schemas.responses import SetStateStatus
from prefect.exceptions import ObjectNotFound
from prefect.states import AwaitingRetry, Cancelled, Cancelling

from deployments.remote.find_run import find_run
from deployments.remote.flow_runs import describe
from deployments.remote.kept_checkpoints import kept_of
from deployments.remote.run_queries import all_runs, is_final
from deployments.remote.server import connected
from tasks.errors import BadRequest, NasflowError
from tasks.orchestration.server_time import time_of_server

CANCEL_SECONDS = 60.0
POLL_SECONDS = 1.0
CANCEL_HEARD = timedelta(seconds=60 + 10 + 15)
"""How long a cancel can end the next attempt, too. A worker that takes a run asks the server for the events of the last
minute, takes it ten seconds before it is due unless it is told otherwise, and the clocks of the two differ."""


def cancel_run(which: str, *, wait: bool) -> dict[str, Any]:
    """Cancel a run and its child flow runs.

    Args:
        which: Id, beginning of an id, or name.
        wait: Whether to wait until all of them have ended, a minute at most.

    Returns:
        The run with its new state, and what the store has of its training by now.

    Raises:
        BadRequest: there is no such run, or there are several.
        BadSettings: no server is set.
        NasflowError: the run has ended already, or does not end.
        ServerProblem: the server does not answer.
    """
    with connected() as client:
        run = find_run(client, which)
        if is_final(run):
            raise NasflowError(_ended(run, "there is nothing to cancel"))
        cancelled = _ask_to_cancel(client, run, wait=wait)
        run = client.read_flow_run(run.id)
        if is_final(run) and run.state is not None and not run.state.is_cancelled():
            raise NasflowError(_ended(run, "it was not cancelled"))
        family = [run, *(client.read_flow_run(child) for child in cancelled)]
    return {
        "ok": True,
        **describe(run),
        "child_runs": [describe(child) for child in family[1:]],
        "kept": kept_of(family),
    }


def _ask_to_cancel(client: SyncPrefectClient, run: FlowRun, *, wait: bool) -> list[UUID]:
    """Set a run, and then its child flow runs, to Cancelling; give the ids of those child flow runs.

    The parent comes first, since it would start a child flow run that is cancelled before it again. It may have asked
    for another one meanwhile, so that they are looked for until all have ended.
    """
    asked: set[UUID] = set()
    deadline = time.monotonic() + CANCEL_SECONDS
    while True:
        parent = client.read_flow_run(run.id)
        child_filter = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[run.id]))
        child_runs = all_runs(client, child_filter, 1)
        going_on = [member for member in (parent, *child_runs) if not is_final(member)]
        for member in going_on:
            if member.id not in asked:
                _set_cancelling(client, member.id)
                asked.add(member.id)
        if not going_on or not wait:
            return sorted(asked - {run.id})
        if time.monotonic() > deadline:
            names = ", ".join(f"{member.name} ({member.id})" for member in going_on)
            raise NasflowError(
                f"asked to cancel, but not ended after {CANCEL_SECONDS:.0f} s: {names}; a trainer writes its "
                "checkpoint first, and the server ends a run whose worker is lost after 5 minutes; look again with "
                "`nasflow runs show`"
            )
        time.sleep(POLL_SECONDS)


def _set_cancelling(client: SyncPrefectClient, run: UUID) -> None:
    """A run that has not started becomes Cancelled at once; one that ended meanwhile stays as it is."""
    cancelling: State = Cancelling(message="cancelled with `nasflow runs cancel`")
    client.set_flow_run_state(run, cancelling)
    states = sorted(client.read_flow_run_states(run), key=lambda state: state.timestamp)
    if [state.type for state in states[-2:]] == [StateType.SCHEDULED, StateType.CANCELLING]:
        # Prefect takes a run that is to be tried again for one with a process, which nobody would end. From Cancelling
        # no worker can start it any more.
        cancelled: State = Cancelled(message=cancelling.message)
        client.set_flow_run_state(run, cancelled)


def retry_run(which: str) -> dict[str, Any]:
    """Schedule a failed, crashed or cancelled run again under the same id.

    A run that was cancelled just now starts when that cannot end it again (see ``CANCEL_HEARD``).

    Args:
        which: Id, beginning of an id, or name.

    Returns:
        The run with its new state, and ``not_before``, the time at which it starts at the earliest, or None for now.

    Raises:
        BadRequest: there is no such run, there are several, or its deployment does not exist any more.
        BadSettings: no server is set.
        NasflowError: the run has not ended, or completed.
        ServerProblem: the server does not answer.
    """
    with connected() as client:
        run = find_run(client, which)
        _refuse_retry(run)
        _require_deployment(client, run)
        not_before = _end_of_cancel(client, run)
        state: State = AwaitingRetry(scheduled_time=not_before, message="retried with `nasflow runs retry`")
        result = client.set_flow_run_state(run.id, state)
        require_accepted(result, run, "refuses to retry it")
        run = client.read_flow_run(run.id)
    return {"ok": True, **describe(run), "not_before": not_before and not_before.isoformat()}


def _end_of_cancel(client: SyncPrefectClient, run: FlowRun) -> datetime | None:
    """When a cancel of the run cannot end its next attempt any more; None if that is so now."""
    asked = [state.timestamp for state in client.read_flow_run_states(run.id) if state.type == StateType.CANCELLING]
    if not asked or max(asked) + CANCEL_HEARD <= time_of_server(client):
        return None
    return max(asked) + CANCEL_HEARD


def require_accepted(result: OrchestrationResult[Any], run: FlowRun, refused: str) -> None:
    """Refuse to go on if the server did not accept a new state of a flow run.

    Args:
        result: The server's answer.
        run: The flow run.
        refused: What the server did instead, such as "refuses to retry it".

    Raises:
        NasflowError: the server did not accept it; the message has its reason.
    """
    if result.status != SetStateStatus.ACCEPT:
        reason = getattr(result.details, "reason", None) or "no reason given"
        raise NasflowError(f"flow run {run.name} ({run.id}): the server {refused}: {reason}")


def _refuse_retry(run: FlowRun) -> None:
    if not is_final(run):
        raise NasflowError(
            f"flow run {run.name} ({run.id}) is {run.state_name}: only a run that has ended can be retried; wait for "
            f"its end, or `nasflow runs cancel {run.id}` first"
        )
    if run.state is not None and run.state.is_completed():
        raise NasflowError(_ended(run, "a completed run is not retried; ask for a new one with `nasflow retrain`"))


def _require_deployment(client: SyncPrefectClient, run: FlowRun) -> None:
    """Without its deployment no worker would ever take the run."""
    try:
        if run.deployment_id is not None:
            client.read_deployment(run.deployment_id)
            return
    except ObjectNotFound:
        pass
    raise BadRequest(
        f"flow run {run.name} ({run.id}): its deployment does not exist any more; run `nasflow deploy`, and ask for a "
        "new run with the same request"
    )


def _ended(run: FlowRun, remark: str) -> str:
    return f"flow run {run.name} ({run.id}) has ended, {run.state_name}: {remark}"
