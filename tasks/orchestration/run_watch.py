"""What became of this process's own flow run: it goes on, was cancelled, or belongs to another process by now.

Prefect's worker ends the process of a cancelled run. It no longer does so after the server was away for a while
(Prefect 3.9.1), or when the worker is gone. And a process that was stopped, or slept with its laptop, does not know
that its run was taken for lost and is another process's. So every process looks for itself, and steps ask it often.
"""

import threading
import time
from contextlib import suppress
from typing import Any, Literal
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import Abort, ObjectNotFound
from prefect.runtime import flow_run
from prefect.states import Cancelled

from tasks.errors import ServerUnavailable
from tasks.local.threads import in_context
from tasks.orchestration.progress import report_to_server

POLL_SECONDS = 5.0
CANCEL_SECONDS = 8.0
"""Time that the worker gets to end a cancelled run by itself, before this process does."""

Fate = Literal["running", "cancelled", "taken over"]


class RunCancelled(Abort):
    """Somebody cancelled this flow run. Prefect ends the process without a state of its own."""


class RunTakenOver(Abort):
    """This flow run was taken for lost. It is another process's, or soon will be: end, and write nothing more."""


def fate_of(run: FlowRun, run_count: int) -> Fate:
    """Say what became of a flow run that a process works on.

    Args:
        run: The flow run as the server has it.
        run_count: How often the run had been started when this process began to work on it.

    Returns:
        Its fate, seen from that process.
    """
    if run.state is not None and (run.state.is_cancelling() or run.state.is_cancelled()):
        return "cancelled"
    if run.run_count > run_count:
        return "taken over"
    # Pending: the server may show a run's start a moment later than the run itself knows it.
    alive = run.state is None or run.state.is_running() or run.state.is_paused() or run.state.is_pending()
    return "running" if alive else "taken over"


class RunWatch:
    """Looks at one flow run every few seconds, in a thread of its own, while this process works on it.

    Args:
        run_id: The flow run of this process.
        run_count: How often it has been started, this time included.
    """

    def __init__(self, run_id: UUID, run_count: int) -> None:
        self._run_id, self._run_count = run_id, run_count
        self._fate: Fate = "running"
        threading.Thread(target=in_context(self._work), name="run-watch", daemon=True).start()

    def check(self) -> None:
        """Return if the run goes on.

        Raises:
            RunCancelled: it was cancelled.
            RunTakenOver: it is another process's.
        """
        if self._fate == "cancelled":
            raise RunCancelled(f"flow run {self._run_id} was cancelled")
        if self._fate == "taken over":
            raise RunTakenOver(f"flow run {self._run_id} was taken for lost; this process ends, and writes no more")

    def ask(self) -> None:
        """Ask the server now, and do as ``check`` does.

        Raises:
            ServerUnavailable: it does not answer.
        """
        with get_client(sync_client=True) as client:
            self._fate = self._look(client)
        self.check()

    def _work(self) -> None:
        with get_client(sync_client=True) as client:
            while self._fate == "running":
                time.sleep(POLL_SECONDS)
                with suppress(ServerUnavailable):  # which says nothing about the run
                    if (fate := self._look(client)) == "cancelled":
                        time.sleep(CANCEL_SECONDS)
                    self._fate = fate

    def _look(self, client: SyncPrefectClient) -> Fate:
        try:
            return fate_of(client.read_flow_run(self._run_id), self._run_count)
        except ObjectNotFound:
            return "taken over"  # somebody deleted the run
        except (HTTPError, OSError) as error:
            raise ServerUnavailable(f"the Prefect server does not answer ({error!r})") from None


_watches: dict[tuple[UUID, int], RunWatch] = {}


def check_run() -> None:
    """Return if the flow run of this process goes on; outside of one there is nothing to check.

    Steps call it before they begin, and while they wait. It costs nothing: the server is asked in the background.

    Raises:
        RunCancelled: it was cancelled.
        RunTakenOver: it is another process's.
    """
    if watch := _watch():
        watch.check()


def confirm_run() -> None:
    """Do as ``check_run`` does, with the state that the server has now.

    Raises:
        RunCancelled: it was cancelled.
        RunTakenOver: it is another process's.
        ServerUnavailable: the server does not answer.
    """
    if watch := _watch():
        watch.ask()


def _watch() -> RunWatch | None:
    """The watch of this process's flow run; None outside of one."""
    if flow_run.id is None:
        return None
    key = (UUID(flow_run.id), flow_run.run_count)
    if key not in _watches:
        _watches[key] = RunWatch(*key)
    return _watches[key]


def sleep(seconds: float) -> None:
    """Wait, as long as the flow run of this process goes on.

    Raises:
        RunCancelled: it was cancelled.
        RunTakenOver: it is another process's.
    """
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        check_run()
        time.sleep(min(left, POLL_SECONDS))


def report_cancelled() -> None:
    """Tell the server that this flow run has ended as it was asked to, in case its worker does not."""
    run_id = flow_run.id
    if run_id is None:
        return
    state: State[Any] = Cancelled(message="stopped on request; the same request goes on from here")
    with get_client(sync_client=True) as client:
        report_to_server(lambda: client.set_flow_run_state(UUID(run_id), state, force=True))
