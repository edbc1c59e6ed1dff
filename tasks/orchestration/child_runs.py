"""Child flow runs: runs of other deployments that are started, waited for, and cancelled when their parent ends."""

import hashlib
import itertools
import json
import time
from typing import Any
from uuid import UUID

from httpx import HTTPError, HTTPStatusError
from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Cancelling, Crashed

from tasks.errors import NasflowError, ServerProblem, ServerUnavailable, TrainingStopped, TransientError
from tasks.orchestration.liveness import LOST_SECONDS, Liveness
from tasks.orchestration.progress import report_to_server
from tasks.orchestration.recovery import is_given_up, recover
from tasks.orchestration.run_watch import RunTakenOver, check_run
from tasks.storage.s3 import Store

POLL_SECONDS = 2.0
SERVER_DOWN_SECONDS = 10.0
"""Time between two requests to a server that does not answer."""
REMIND_SECONDS = 60.0
"""A run that no worker takes is logged this often; a busy GPU is no reason to give up."""


def run_child_flow(deployment: str, parameters: dict[str, Any]) -> None:
    """Run a deployment and wait for its end; a child flow run that is lost is started again.

    Args:
        deployment: Its name, ``flow/deployment``.
        parameters: Its parameters, as JSON.

    Raises:
        TrainingStopped: somebody cancelled it.
        NasflowError: it failed, or was given up; kind and message are those of the child flow run.
        ServerProblem: there is no such deployment, or the server refuses the run.
        ServerUnavailable: the server does not answer, or is busy.
    """
    child = _find_or_start(deployment, parameters)
    with get_client(sync_client=True) as client:
        try:
            state = _wait(client, child, deployment)
        except (Exception, RunTakenOver):
            raise  # the child flow run goes on, and the next attempt finds it
        except BaseException:  # this run is cancelled, or its process asked to end: Prefect raises no Exception then
            cancelling: State = Cancelling(message="its parent run ended")
            report_to_server(lambda: client.set_flow_run_state(child.id, cancelling, force=False))
            raise
    _raise_for(state, deployment)


def _find_or_start(deployment: str, parameters: dict[str, Any]) -> FlowRun:
    """The child flow run of an earlier attempt of this run, or a new one if that has ended without success."""
    request = json.dumps([deployment, parameters], sort_keys=True)
    digest = hashlib.sha256(request.encode()).hexdigest()[:16]
    for attempt in itertools.count():
        try:
            # Called without an event loop it is no coroutine, which its type does not say.
            child: FlowRun = run_deployment(  # type: ignore[assignment]
                deployment, parameters=parameters, timeout=0, idempotency_key=f"{flow_run.id}-{digest}-{attempt}"
            )
        except ObjectNotFound:
            raise ServerProblem(f"no deployment {deployment} on this server; run `nasflow deploy`") from None
        except HTTPError as error:
            if _is_refusal(error):
                raise ServerProblem(
                    f"the Prefect server refuses the run of {deployment}: {str(error).splitlines()[0]}; "
                    "look into its log"
                ) from None
            raise ServerUnavailable(f"the Prefect server does not take the run of {deployment}: {error}") from None
        if child.state is None or not child.state.is_final() or child.state.is_completed():
            return child
        if child.state.is_crashed() and not is_given_up(child):
            return child  # waiting for it starts it again
    raise AssertionError("unreachable")


def _is_refusal(error: HTTPError) -> bool:
    """Whether the server answered, and will answer the same again."""
    status = error.response.status_code if isinstance(error, HTTPStatusError) else 500
    return status < 500 and status not in (408, 429)


def _wait(client: SyncPrefectClient, child: FlowRun, deployment: str) -> State:
    """The state in which the child flow run ends; a crashed or lost one is started again as often as that may help."""
    get_run_logger().info("waiting for %s, flow run %s", deployment, child.name)
    store = Store.from_environment()
    liveness, reminder = Liveness(client, store), Reminder(client)
    while True:
        check_run()
        try:
            current = client.read_flow_run(UUID(str(child.id)))
            if _has_ended(client, store, liveness, current):
                return client.read_flow_run(UUID(str(child.id))).state or Crashed()
            reminder.remind(current)
        except (HTTPError, OSError, TransientError) as error:
            # A server or store that does not answer is no reason to end hours of training.
            get_run_logger().warning("no answer (%s); still waiting for %s", error, child.name)
            time.sleep(SERVER_DOWN_SECONDS)
            continue
        time.sleep(POLL_SECONDS)


def _has_ended(client: SyncPrefectClient, store: Store, liveness: Liveness, child: FlowRun) -> bool:
    """Whether a child flow run has ended for good."""
    if child.state is not None and child.state.is_final() and not child.state.is_crashed():
        return True
    if child.state is not None and child.state.is_crashed():
        return not recover(client, store, child, child.state.message or "it crashed")
    if liveness.look(child) == "lost":
        if child.state is not None and child.state.is_cancelling():
            return False  # the server ends it
        reason = f"no sign of life for {LOST_SECONDS:.0f} s, so its worker or machine is lost"
        return not recover(client, store, child, reason)
    return False


class Reminder:
    """Logs now and then that no worker takes a child flow run, and why."""

    def __init__(self, client: SyncPrefectClient) -> None:
        self._client = client
        self._since = self._reminded = time.monotonic()

    def remind(self, child: FlowRun) -> None:
        """Log it if it is time."""
        if child.state is None or not child.state.is_scheduled():
            self._since = self._reminded = time.monotonic()
            return
        if time.monotonic() - self._reminded <= REMIND_SECONDS:
            return
        self._reminded = time.monotonic()
        waited = round(self._reminded - self._since)
        get_run_logger().warning("no worker has taken %s for %d s; %s", child.name, waited, self._remedy(child))

    def _remedy(self, child: FlowRun) -> str:
        pool = child.work_pool_name or "gpu"
        if self._client.read_work_pool(pool).is_paused:
            return f"the work pool {pool} is paused; resume it with `prefect work-pool resume {pool}`"
        return f"start one with `prefect worker start --pool {pool}`, or wait until one is free"


def _raise_for(state: State, deployment: str) -> None:
    """Raise the error that the child flow run ended with, if it did."""
    if state.is_completed():
        return
    message = state.message or state.name or ""
    if state.is_crashed():
        raise NasflowError(f"{deployment} crashed: {message}")
    if state.is_cancelled():
        raise TrainingStopped(f"{deployment} was cancelled")
    cause = message.removeprefix("Flow run encountered an exception: ")
    name, _, words = cause.partition(": ")
    kinds = {kind.__name__: kind for kind in _with_subclasses(NasflowError)}
    raise kinds[name](words) if name in kinds else NasflowError(cause)


def _with_subclasses(kind: type[NasflowError]) -> list[type[NasflowError]]:
    return [kind, *(descendant for child in kind.__subclasses__() for descendant in _with_subclasses(child))]
