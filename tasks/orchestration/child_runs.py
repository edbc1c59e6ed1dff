"""Child flow runs: runs of other deployments that are started, waited for, and cancelled when their parent is."""

import hashlib
import itertools
import json
import time
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
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

MIN_POLL_SECONDS, MAX_POLL_SECONDS = 0.5, 2.0
POLL_SHARE = 0.02
"""Of the time waited so far: the end of a run is seen late by that share at most, and the server is asked seldom."""
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
    with ChildRuns(deployment) as child_runs:
        child_runs.start("", parameters)
        while not (ended := child_runs.wait()):
            pass
    if error := ended[""]:
        raise error


class ChildRuns:
    """Child flow runs of one deployment that go on at once; one that is lost is started again.

    When the ``with`` block ends by an error they go on, and the next attempt of the parent finds them. When the
    parent is cancelled, or its process asked to end, they are cancelled.

    Args:
        deployment: Its name, ``flow/deployment``.
    """

    def __init__(self, deployment: str) -> None:
        self._deployment = deployment
        self._open: dict[str, _Child] = {}
        self._since = time.monotonic()

    def __enter__(self) -> "ChildRuns":
        self._client = get_client(sync_client=True)
        self._client.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            # Prefect raises no Exception when a run is cancelled, or its process asked to end.
            if kind is not None and not issubclass(kind, Exception | RunTakenOver):
                for name in self._open:
                    self.cancel(name, "its parent run ended")
        finally:
            self._client.__exit__(kind, error, traceback)

    @property
    def open(self) -> tuple[str, ...]:
        """Names of those that have not ended."""
        return tuple(self._open)

    @cached_property
    def _store(self) -> Store:
        return Store.from_environment()

    def start(self, name: str, parameters: dict[str, Any]) -> None:
        """Start one, or find the one that an earlier attempt of this run started.

        Args:
            name: What it is called here.
            parameters: Its parameters, as JSON.

        Raises:
            ServerProblem: there is no such deployment, or the server refuses the run.
            ServerUnavailable: the server does not answer, or is busy.
        """
        self._since = time.monotonic()
        child = _find_or_start(self._deployment, parameters)
        get_run_logger().info("waiting for %s, flow run %s", self._deployment, child.name)
        self._open[name] = _Child(child, Liveness(self._client, self._store), Reminder(self._client))

    def cancel(self, name: str, reason: str) -> None:
        """Have the server cancel one; it ends later."""
        run_id = self._open[name].run.id
        cancelling: State = Cancelling(message=reason)
        report_to_server(lambda: self._client.set_flow_run_state(run_id, cancelling, force=False))

    def wait(self) -> dict[str, NasflowError | None]:
        """Look at all that have not ended, once they have had some time to go on.

        Returns:
            Those that have ended now: the error that each failed with, or None if it completed. Empty if none did.
        """
        ended: dict[str, NasflowError | None] = {}
        for name, child in tuple(self._open.items()):
            check_run()
            try:
                state = self._look(child)
            except (HTTPError, OSError, TransientError) as error:
                # A server or store that does not answer is no reason to end hours of training.
                get_run_logger().warning("no answer (%s); still waiting for %s", error, child.run.name)
                time.sleep(SERVER_DOWN_SECONDS)
                return ended
            if state is not None:
                ended[name] = _error_of(state, self._deployment)
                del self._open[name]
        if not ended:
            waited = time.monotonic() - self._since
            time.sleep(min(max(POLL_SHARE * waited, MIN_POLL_SECONDS), MAX_POLL_SECONDS))
        return ended

    def _look(self, child: "_Child") -> State | None:
        """The state in which a child flow run ended; None while it goes on, or is started again."""
        current = self._client.read_flow_run(UUID(str(child.run.id)))
        if _has_ended(self._client, self._store, child.liveness, current):
            return self._client.read_flow_run(UUID(str(child.run.id))).state or Crashed()
        child.reminder.remind(current)
        return None


@dataclass(frozen=True)
class _Child:
    """A child flow run, and what is known of it from looking at it."""

    run: FlowRun
    liveness: Liveness
    reminder: "Reminder"


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
        return f"start one with `nasflow worker --pool {pool}`, or wait until one is free"


def _error_of(state: State, deployment: str) -> NasflowError | None:
    """The error that a child flow run ended with; None if it completed."""
    if state.is_completed():
        return None
    message = state.message or state.name or ""
    if state.is_crashed():
        return NasflowError(f"{deployment} crashed: {message}")
    if state.is_cancelled():
        return TrainingStopped(f"{deployment} was cancelled")
    cause = message.removeprefix("Flow run encountered an exception: ")
    name, _, words = cause.partition(": ")
    kinds = {kind.__name__: kind for kind in _with_subclasses(NasflowError)}
    return kinds[name](words) if name in kinds else NasflowError(cause)


def _with_subclasses(kind: type[NasflowError]) -> list[type[NasflowError]]:
    return [kind, *(descendant for child in kind.__subclasses__() for descendant in _with_subclasses(child))]
