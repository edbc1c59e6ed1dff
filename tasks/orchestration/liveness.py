"""Signs of life of a flow run of another process: Prefect's heartbeats, and for training the lease in the store.

Both are looked at, because each can be missing while the run lives: the server gets no heartbeats while it is away,
and the store no renewals.
"""

import time
from typing import Any, Literal
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun
from pydantic import ValidationError

from tasks.errors import NasflowError, NotInStore
from tasks.orchestration.silence import Clock, Silence
from tasks.records import TrainJob
from tasks.storage import keys
from tasks.storage.s3 import Store

HEARTBEAT_SECONDS = 30
"""Time between two heartbeats of a flow run: PREFECT_FLOWS_HEARTBEAT_FREQUENCY of the deployments."""
LOST_SECONDS = 2.5 * HEARTBEAT_SECONDS
"""A running flow run without any sign of life for this long is lost."""
PENDING_SECONDS = 600.0
"""A worker that took a run and has not started it after this long is lost; images may be large."""
LONGEST_STEP = 10.0
"""Seconds between two looks that count at most."""
LEASE_LOOK_SECONDS = 8.0
"""Least time between two looks at a lease, which is renewed every 15 s or so: each is a request to the store."""
HEARTBEAT = "prefect.flow-run.heartbeat"
EVER = {"since": "2000-01-01T00:00:00Z", "until": "2100-01-01T00:00:00Z"}
"""Heartbeats bear the time of the worker's clock, which may be wrong."""

Sighting = Literal["alive", "lost", "unclear"]


class Liveness:
    """Looks for signs of life of one flow run.

    Args:
        client: Of the server.
        store: Has the leases of training runs.
        clock: Gives the time of this machine, in seconds.
    """

    def __init__(self, client: SyncPrefectClient, store: Store, clock: Clock = time.monotonic) -> None:
        self._client, self._store = client, store
        self._silence, self._clock = Silence(LONGEST_STEP, clock), clock
        self._lease: str | None = None
        self._next_lease_look = float("-inf")
        self._sign: tuple[Any, ...] | None = None

    def look(self, run: FlowRun) -> Sighting:
        """Look for a sign of life since the last look.

        Args:
            run: The flow run as the server has it now.

        Returns:
            "alive" after a sign of life; "lost" if there was none for too long, as far as this object has looked;
            else "unclear". A run that never sent a heartbeat is not lost.
        """
        state = run.state
        if state is None or not (state.is_running() or state.is_pending() or state.is_cancelling()):
            return "unclear"
        try:
            heartbeats = count_heartbeats(self._client, UUID(str(run.id)))
            lease = self._lease_of(run)
        except (HTTPError, NasflowError):
            self._silence.fail()
            return "unclear"
        sign = (state.id, heartbeats, lease)
        changed, self._sign = self._sign not in (None, sign), sign
        silent = self._silence.look(sign)
        if changed:
            return "alive"
        if state.is_pending():
            return "lost" if silent > PENDING_SECONDS else "unclear"
        return "lost" if silent > LOST_SECONDS and heartbeats > 0 else "unclear"

    def _lease_of(self, run: FlowRun) -> str | None:
        """What changes whenever the lease of a training run is renewed; None for other runs."""
        key = lease_key(run)
        if key is None or self._clock() < self._next_lease_look:
            return self._lease
        try:
            self._lease = self._store.get(key)[1]
        except NotInStore:
            self._lease = None
        self._next_lease_look = self._clock() + LEASE_LOOK_SECONDS
        return self._lease


def count_heartbeats(client: SyncPrefectClient, run_id: UUID) -> int:
    """How many heartbeats of a flow run the server has.

    Raises:
        HTTPError: the server does not answer.
    """
    query: dict[str, Any] = {
        "filter": {
            "occurred": EVER,
            "event": {"name": [HEARTBEAT]},
            "resource": {"id": [f"prefect.flow-run.{run_id}"]},
        },
        "limit": 1,
    }
    answer = client.request("POST", "/events/filter", json=query)
    answer.raise_for_status()
    return int(answer.json()["total"])


def run_key_of(run: FlowRun) -> str | None:
    """Digest of the spec that a flow run trains; None for one that trains nothing."""
    try:
        return TrainJob.model_validate(run.parameters["job"]).spec.digest
    except (KeyError, ValidationError):
        return None


def lease_key(run: FlowRun) -> str | None:
    """Key of the lease of a training run; None for a flow run that trains nothing."""
    run_key = run_key_of(run)
    return None if run_key is None else keys.run_state(run_key)
