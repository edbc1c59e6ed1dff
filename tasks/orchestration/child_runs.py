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
from prefect.states import Cancelling

from tasks.errors import NasflowError, ServerProblem, ServerUnavailable, TrainingStopped, WorkerLost
from tasks.orchestration.progress import report_to_server

POLL_SECONDS = 2.0
SERVER_DOWN_SECONDS = 10.0
"""Time between two requests to a server that does not answer."""
REMIND_SECONDS = 60.0
"""A run that no worker takes is logged this often; a busy GPU is no reason to give up."""


def run_child_flow(deployment: str, parameters: dict[str, Any]) -> None:
    """Run a deployment and wait for its end.

    Args:
        deployment: Its name, ``flow/deployment``.
        parameters: Its parameters, as JSON.

    Raises:
        WorkerLost: it crashed, or its worker was lost; it may be started again.
        TrainingStopped: somebody cancelled it.
        NasflowError: it failed; kind and message are those of the child flow run.
        ServerProblem: there is no such deployment, or the server refuses the run.
        ServerUnavailable: the server does not answer, or is busy.
    """
    child = _find_or_start(deployment, parameters)
    with get_client(sync_client=True) as client:
        try:
            state = _wait(client, child, deployment)
        except Exception:
            raise  # the child flow run goes on, and the next attempt finds it
        except BaseException:  # this run is cancelled, or its process asked to end: Prefect raises no Exception then
            cancelling: State = Cancelling(message="its parent run ended")
            report_to_server(lambda: client.set_flow_run_state(child.id, cancelling, force=False))
            raise
    _raise_for(state, deployment)


def _find_or_start(deployment: str, parameters: dict[str, Any]) -> FlowRun:
    """The child flow run that an earlier attempt of this run started, or a new one if that failed or crashed."""
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
    raise AssertionError("unreachable")


def _is_refusal(error: HTTPError) -> bool:
    """Whether the server answered, and will answer the same again."""
    status = error.response.status_code if isinstance(error, HTTPStatusError) else 500
    return status < 500 and status not in (408, 429)


def _wait(client: SyncPrefectClient, child: FlowRun, deployment: str) -> State:
    """The state in which the child flow run ends."""
    get_run_logger().info("waiting for %s, flow run %s", deployment, child.name)
    started = reminded = time.monotonic()
    while True:
        try:
            current = client.read_flow_run(UUID(str(child.id)))
        except (HTTPError, OSError) as error:
            # A server that does not answer is no reason to end hours of training.
            get_run_logger().warning("the Prefect server does not answer (%s); still waiting", error)
            time.sleep(SERVER_DOWN_SECONDS)
            continue
        if current.state is not None and current.state.is_final():
            return current.state
        if current.start_time is None and time.monotonic() - reminded > REMIND_SECONDS:
            reminded = time.monotonic()
            get_run_logger().warning(
                "no worker has taken %s for %d s; start one with `prefect worker start --pool %s`, "
                "or wait until one is free",
                current.name, round(reminded - started), current.work_pool_name or "gpu",
            )  # fmt: skip
        time.sleep(POLL_SECONDS)


def _raise_for(state: State, deployment: str) -> None:
    """Raise the error that the child flow run ended with, if it did."""
    if state.is_completed():
        return
    message = state.message or state.name or ""
    if state.is_crashed():
        raise WorkerLost(f"{deployment} crashed: {message}; it is asked for again, and goes on where it was")
    if state.is_cancelled():
        raise TrainingStopped(f"{deployment} was cancelled")
    cause = message.removeprefix("Flow run encountered an exception: ")
    name, _, words = cause.partition(": ")
    kinds = {kind.__name__: kind for kind in _with_subclasses(NasflowError)}
    raise kinds[name](words) if name in kinds else NasflowError(cause)


def _with_subclasses(kind: type[NasflowError]) -> list[type[NasflowError]]:
    return [kind, *(descendant for child in kind.__subclasses__() for descendant in _with_subclasses(child))]
