"""The lease of a training run: one worker at a time, and a dead worker's run is free after a while.

The lease is a compare-and-swap on ``runs/<key>/state.json``. No wall clock takes part, and clocks of machines are not
compared.

- The holder renews at a quarter of the lease's duration: the object changes. Others take the lease after they have
  watched it unchanged for the whole duration (``lease_watch``); time in which the store did not answer, or could not be
  written, does not count.
- For half the duration after the start of its last answered renewal the holder is certain: nobody can have taken the
  lease. Later (it slept, it was stopped, or the store was away) it has to renew before it writes: ``confirm``. Each
  write through ``Lease.store`` asks this. If the store does not answer, nothing is written, and training goes on.
- A renewal that finds another's lease sets ``lost``: the holder steps down and writes nothing more.
- A later attempt of the same flow run takes the lease at once. It writes nothing until the earlier attempt, which may
  live, is no longer certain. An earlier attempt never takes the lease from a later one.
- The answer to a write may be lost. So the object holds a token of the lease: what has the own token is the own write.
"""

import logging
from contextlib import suppress

from tasks.errors import AttemptReplaced, LeaseHeld, LostRace, StoreUnavailable
from tasks.local.clock import BOOT_CLOCK, Clock, OncePerMinute
from tasks.records import LeaseHolder, RunState
from tasks.storage import keys
from tasks.storage.held_lease import ANSWER_SHARE, Lease
from tasks.storage.lease_watch import RunObservation
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)


def wait_for_lease(
    store: Store, run_key: str, holder: LeaseHolder, seconds: float, *, clock: Clock = BOOT_CLOCK
) -> Lease:
    """Take a run's lease as soon as nobody else has it, to be used as a context manager at once.

    Args:
        store: The object store; it may be away for a while.
        run_key: Digest of the TrainingSpec.
        holder: Who takes it.
        seconds: Silence after which others may take it.
        clock: Clock of this machine.

    Returns:
        The lease, which is renewed once its ``with`` block is entered.

    Raises:
        AttemptReplaced: a later attempt of the same flow run has it or had it.
    """
    quick = store.answering_within(seconds * ANSWER_SHARE)
    observation, reminder, waited = RunObservation(run_key, clock), OncePerMinute(clock), False
    try:
        while True:
            try:
                look_for_lease(quick, observation)
                return hold_lease(store, observation, holder, seconds)
            except (LeaseHeld, StoreUnavailable) as error:
                waited = True
                if reminder.is_due():
                    logger.info("%s; waiting", error)
            clock.sleep(observation.look_every(seconds))
    finally:
        if waited:
            with suppress(StoreUnavailable):
                quick.delete([keys.run_waiting(run_key)])


def look_for_lease(store: Store, observation: RunObservation) -> None:
    """Look once at a run whose lease is wanted.

    A store that can be read but not written, such as one with a full disk, keeps a living holder from renewing. So a
    waiting one writes, too: silence counts only while that succeeds.

    Args:
        store: The object store.
        observation: What was seen of the run so far.

    Raises:
        StoreUnavailable: the store does not answer; the silence is counted from zero again.
    """
    try:
        if observation.state and observation.state.status == "running":
            store.put(keys.run_waiting(observation.run_key), b"")
    except StoreUnavailable:
        observation.restart()
        raise
    observation.look(store)


def hold_lease(store: Store, observation: RunObservation, holder: LeaseHolder, seconds: float) -> Lease:
    """Take a run's lease if the last look found it free.

    Args:
        store: The object store.
        observation: What was seen of the run; the lease of another is free only after enough looks.
        holder: Who takes it.
        seconds: Silence after which others may take it.

    Returns:
        The lease, which is renewed once its ``with`` block is entered.

    Raises:
        LeaseHeld: somebody else has it, or took it since the last look.
        AttemptReplaced: a later attempt of the same flow run has it or had it.
    """
    _refuse_if_held(observation, holder)
    lease = Lease(store, observation, holder, seconds)
    try:
        lease.take(observation.etag)
    except LostRace:
        raise LeaseHeld(f"run {observation.run_key[:12]}: another run took it just now") from None
    return lease


def _refuse_if_held(observation: RunObservation, holder: LeaseHolder) -> None:
    state = observation.state
    if state is None or state.status == "finished":
        return
    run = f"run {state.run_key[:12]}"
    if state.holder.flow_run == holder.flow_run and state.holder.attempt > holder.attempt:
        raise AttemptReplaced(f"{run}: attempt {holder.attempt} was replaced by {state.holder}; this one ends")
    if state.status == "running" and not _is_own(state, holder) and not observation.holder_is_dead:
        raise LeaseHeld(
            f"{run}: {state.holder} works on this; unchanged for {observation.silent:.0f} s, "
            f"free when it ends or after {state.lease_seconds:.0f} s"
        )


def _is_own(state: RunState, holder: LeaseHolder) -> bool:
    """Whether the state is of this process, or of an earlier attempt of the same flow run."""
    previous = state.holder
    is_later = holder.attempt > previous.attempt or holder.process == previous.process
    return previous.flow_run == holder.flow_run and is_later
