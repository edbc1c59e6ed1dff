"""Starting a crashed flow run again under the same id: how often, after how long, and giving it up.

What was decided is kept in the labels of the flow run, so that whoever looks next goes on counting. A run that fails
by an error of its own is not started again.
"""

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.states import AwaitingRetry, Crashed

from tasks.orchestration.liveness import lease_key
from tasks.orchestration.restarts import GIVEN_UP, PROGRESS, RESTART_DELAYS, STARTS, decide
from tasks.orchestration.server_time import time_of_server
from tasks.records import RunState
from tasks.storage.documents import find_record
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)


def is_given_up(run: FlowRun) -> bool:
    """Say whether a crashed flow run was given up, and nobody has started it again since."""
    return run.labels.get(GIVEN_UP) == run.run_count


def recover(client: SyncPrefectClient, store: Store, run: FlowRun, reason: str) -> bool:
    """Have a worker start a crashed or lost flow run again, or give it up.

    Args:
        client: Of the server.
        store: Has the checkpoints of training runs.
        run: The flow run as the server has it now.
        reason: Why it needs a new start, for its state's message.

    Returns:
        Whether somebody goes on with it.

    Raises:
        HTTPError: the server does not answer.
        NasflowError: the store does not.
    """
    if is_given_up(run):
        return False
    # Labels of a run that was given up, and that a person has started again since: counted anew.
    labels = {} if run.labels.get(GIVEN_UP, -1) != -1 else run.labels
    progress = _progress_of(client, store, run)
    decision = decide(labels, progress)
    if not run.state or not run.state.is_crashed():
        answer: OrchestrationResult[Any] = client.set_flow_run_state(_id(run), Crashed(message=reason))
        if answer.state is None or not answer.state.is_crashed():
            return True  # it ended, or showed a sign of life, just now
    if decision.delay is None:
        _give_up(client, run, progress, reason)
        return False
    client.update_flow_run_labels(_id(run), {STARTS: decision.starts, PROGRESS: progress, GIVEN_UP: -1})
    attempt = f"{decision.starts} of at most {len(RESTART_DELAYS)} without progress"
    at = time_of_server(client) + timedelta(seconds=decision.delay)
    client.set_flow_run_state(
        _id(run), AwaitingRetry(scheduled_time=at, message=f"{reason}; it is started again, {attempt}")
    )
    logger.warning("flow run %s: %s; it is started again in %d s, %s", run.name, reason, decision.delay, attempt)
    return True


def _give_up(client: SyncPrefectClient, run: FlowRun, progress: int, reason: str) -> None:
    kept = f"the checkpoint of epoch {progress} is" if lease_key(run) and progress else "finished steps are"
    text = (
        f"{reason}; given up after {len(RESTART_DELAYS)} new starts without progress; {kept} kept; "
        f"when the cause is gone, go on with `nasflow runs retry {run.name}`"
    )
    client.update_flow_run_labels(_id(run), {GIVEN_UP: run.run_count})
    client.set_flow_run_state(_id(run), Crashed(message=text), force=True)
    logger.error("flow run %s: %s", run.name, text)


def _progress_of(client: SyncPrefectClient, store: Store, run: FlowRun) -> int:
    """Epochs of a training run; for other runs, how many different steps have ended well."""
    if key := lease_key(run):
        state = find_record(store, key, RunState)
        return state.epochs_done if state else 0
    steps = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[_id(run)])))
    return len({step.task_key for step in steps if step.state is not None and step.state.is_completed()})


def _id(run: FlowRun) -> UUID:
    """The id as its type says; Prefect gives it as text sometimes."""
    return UUID(str(run.id))
