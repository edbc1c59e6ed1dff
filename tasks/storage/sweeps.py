"""Sweeps: while housekeeping removes objects, nobody relies on an object that was found instead of written.

Objects are named by their content, so a run may find what an earlier one wrote. That is safe against a removal at the
same time, without comparing clocks:

- Who removes first takes the lease of housekeeping, then reads what is in use, then deletes the rest.
- Who relies on what is there first writes or renews the record that names it, then looks whether that lease is held. If
  it is not, a removal that begins later sees the record. If it is, the step is done again, with the lease in hand.
"""

import logging
import os
import platform
import uuid
from collections.abc import Callable
from typing import TypeVar

from tasks.errors import LeaseHeld
from tasks.local.clock import BOOT_CLOCK, Clock
from tasks.records import LeaseHolder, RunState
from tasks.storage import keys
from tasks.storage.documents import find_record
from tasks.storage.held_lease import ANSWER_SHARE, Lease
from tasks.storage.lease_watch import RunObservation
from tasks.storage.leases import hold_lease, look_for_lease, wait_for_lease
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
HOUSEKEEPER = "housekeeping"
"""Stands for a flow run in the leases of housekeeping."""

T = TypeVar("T")


def housekeeper() -> LeaseHolder:
    """This process as the holder of a lease of housekeeping."""
    place = f"process {os.getpid()} on {platform.node()}"
    return LeaseHolder(flow_run=HOUSEKEEPER, attempt=0, process=uuid.uuid4().hex, place=place)


def undisturbed(store: Store, use: Callable[[], T]) -> T:
    """Do a step that relies on objects that it finds in the store, so that no removal takes one of them away.

    Args:
        store: The object store.
        use: The step. It ends with writing or renewing the record that names what it relies on, and may be done twice.

    Returns:
        What ``use`` returns.
    """
    result = use()
    if not _is_under_way(store):
        return result
    logger.info("housekeeping removes old objects just now; this waits for it, and looks again")
    with wait_for_lease(store, keys.HOUSEKEEPING, housekeeper(), LEASE_SECONDS):
        return use()


def _is_under_way(store: Store) -> bool:
    state = find_record(store, keys.run_state(keys.HOUSEKEEPING), RunState)
    return state is not None and state.status == "running"


def take_lease(store: Store, run_key: str, holder: LeaseHolder, seconds: float, *, clock: Clock = BOOT_CLOCK) -> Lease:
    """Take a lease unless its holder lives; a holder that was killed is waited for until that is certain.

    Args:
        store: The object store.
        run_key: Digest of a TrainingSpec, or ``keys.HOUSEKEEPING``.
        holder: Who takes it.
        seconds: Silence after which others may take it.
        clock: Clock of this machine.

    Returns:
        The lease, to be used as a context manager at once.

    Raises:
        LeaseHeld: its holder lives.
        StoreUnavailable: the store does not answer.
    """
    return hold_lease(store, _observe(store, run_key, seconds, clock), holder, seconds)


def take_for_removal(
    store: Store, run_key: str, etag: str | None, holder: LeaseHolder, seconds: float, *, clock: Clock = BOOT_CLOCK
) -> Lease:
    """Take the lease of a run, which from then on has no model, so that nobody uses its files again.

    Args:
        store: The object store.
        run_key: Digest of the TrainingSpec.
        etag: Of the state that was found to be not needed; None if there was none.
        holder: Who takes it.
        seconds: Silence after which others may take it.
        clock: Clock of this machine.

    Returns:
        The lease, to be used as a context manager at once.

    Raises:
        LeaseHeld: the state is another one by now: somebody uses the run.
        StoreUnavailable: the store does not answer.
    """
    observation = _observe(store, run_key, seconds, clock)
    if observation.etag != etag:
        raise LeaseHeld(f"run {run_key[:12]}: used again since it was looked at")
    if observation.state:
        observation.state = observation.state.model_copy(update={"model": None})
    return hold_lease(store, observation, holder, seconds)


def _observe(store: Store, run_key: str, seconds: float, clock: Clock) -> RunObservation:
    """Look at a run; while somebody holds its lease, until they show a sign of life or are known to be dead."""
    quick, observation = store.answering_within(seconds * ANSWER_SHARE), RunObservation(run_key, clock)
    observation.look(quick)
    first = observation.etag
    while observation.etag == first and _is_held(observation):
        clock.sleep(observation.look_every(seconds))
        look_for_lease(quick, observation)
    return observation


def _is_held(observation: RunObservation) -> bool:
    state = observation.state
    return state is not None and state.status == "running" and not observation.holder_is_dead
