"""Runs of other deployments: started, waited for, looked at when they end, and cancelled when their parent dies."""

import hashlib
import itertools
import json
import time
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Cancelling

from tasks.errors import NasflowError, ServerProblem, ServerUnavailable, TrainingStopped, WorkerLost
from tasks.orchestration.progress import report_to_server

POLL_SECONDS = 2.0
AWAY_SECONDS = 10.0
REMIND_SECONDS = 60.0
"""A run that no worker takes is spoken of this often; a busy GPU is no reason to give up."""


def run_child_flow(deployment: str, parameters: dict[str, Any]) -> None:
    """Run a deployment and wait for its end.

    Args:
        deployment: ``flow/deployment``.
        parameters: Its parameters, as JSON.

    Raises:
        WorkerLost: it crashed, or its worker went away; it may be asked for again.
        TrainingStopped: somebody cancelled it.
        NasflowError: it failed; kind and message are the child's.
        ServerProblem: there is no such deployment.
        ServerUnavailable: the server does not answer, or refuses.
    """
    child = _find_or_start(deployment, parameters)
    with get_client(sync_client=True) as client:
        try:
            state = _wait(client, child, deployment)
        except Exception:
            raise  # the child is well, and is found again by the next attempt
        except BaseException:  # this run is cancelled or its process told to end, which Prefect raises as no Exception
            stopping: State = Cancelling(message="its parent run ended")
            report_to_server(lambda: client.set_flow_run_state(child.id, stopping, force=False))
            raise
    _raise_for(state, deployment)


def _find_or_start(deployment: str, parameters: dict[str, Any]) -> FlowRun:
    """The child that an earlier attempt of this run left, or a new one; one that failed or crashed is left alone."""
    asked = json.dumps([deployment, parameters], sort_keys=True)
    work = hashlib.sha256(asked.encode()).hexdigest()[:16]
    for number in itertools.count():
        try:
            # Called without an event loop it is no coroutine, which its type does not say.
            child: FlowRun = run_deployment(  # type: ignore[assignment]
                deployment, parameters=parameters, timeout=0, idempotency_key=f"{flow_run.id}-{work}-{number}"
            )
        except ObjectNotFound:
            raise ServerProblem(f"no deployment {deployment} on this server; run `nasflow deploy`") from None
        except HTTPError as error:
            raise ServerUnavailable(f"the Prefect server does not take the run of {deployment}: {error}") from None
        if child.state is None or not child.state.is_final() or child.state.is_completed():
            return child
    raise AssertionError("unreachable")


def _wait(client: SyncPrefectClient, child: FlowRun, deployment: str) -> State:
    """The state that the child ends in."""
    get_run_logger().info("waiting for %s, flow run %s", deployment, child.name)
    asked = reminded = time.monotonic()
    while True:
        try:
            now = client.read_flow_run(UUID(str(child.id)))
        except (HTTPError, OSError) as error:
            # A server that is away is no reason to end hours of training.
            get_run_logger().warning("the Prefect server does not answer (%s); still waiting", error)
            time.sleep(AWAY_SECONDS)
            continue
        if now.state is not None and now.state.is_final():
            return now.state
        if now.start_time is None and time.monotonic() - reminded > REMIND_SECONDS:
            reminded = time.monotonic()
            get_run_logger().warning(
                "no worker has taken %s for %d s; start one with `prefect worker start --pool %s`, "
                "or wait until one is free",
                now.name, round(reminded - asked), now.work_pool_name or "gpu",
            )  # fmt: skip
        time.sleep(POLL_SECONDS)


def _raise_for(state: State, deployment: str) -> None:
    if state.is_completed():
        return
    message = state.message or state.name or ""
    if state.is_crashed():
        raise WorkerLost(f"{deployment} crashed: {message}; it is asked for again, and goes on where it was")
    if state.is_cancelled():
        raise TrainingStopped(f"{deployment} was cancelled")
    cause = message.removeprefix("Flow run encountered an exception: ")
    name, _, words = cause.partition(": ")
    known = {kind.__name__: kind for kind in _all_below(NasflowError)}
    raise known[name](words) if name in known else NasflowError(cause)


def _all_below(kind: type[NasflowError]) -> list[type[NasflowError]]:
    return [kind, *(below for child in kind.__subclasses__() for below in _all_below(child))]
