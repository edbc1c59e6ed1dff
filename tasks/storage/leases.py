"""The lease of a training run: one worker at a time, and a dead worker's run is free after a while.

The lease is a compare-and-swap on ``runs/<key>/state.json``. Clocks of the workers should agree to well within a lease.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType

from tasks.errors import LeaseHeld, LostRace, NasflowError, NotInStore, TransientError, WorkerLost
from tasks.records import RunState, TrainedModel
from tasks.storage import keys
from tasks.storage.documents import create_record, read_record, replace_record
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def hold_lease(store: Store, run_key: str, owner: str, seconds: float, *, clock: Clock = utc_now) -> "Lease":
    """Take a run's lease, to be used as a context manager at once.

    Args:
        store: The object store.
        run_key: Digest of the TrainingSpec.
        owner: Who takes it; the same owner may take it again, as a retry does.
        seconds: Time after which others may take it if this process stops renewing it.
        clock: Returns the time in UTC.

    Returns:
        The lease, which is renewed once its ``with`` block is entered.

    Raises:
        LeaseHeld: somebody else has it.
    """
    key = keys.run_state(run_key)
    now = clock()
    state = RunState(run_key=run_key, status="running", owner=owner, lease_until=now + timedelta(seconds=seconds))
    try:
        try:
            previous, etag = read_record(store, key, RunState)
        except NotInStore:
            etag = create_record(store, key, state)
        else:
            _refuse_if_held(previous, owner, now)
            state = state.model_copy(update={"epochs_done": previous.epochs_done, "model": previous.model})
            etag = replace_record(store, key, state, etag)
    except LostRace:
        raise LeaseHeld(f"run {run_key[:12]}: another run took it just now; try again when it is done") from None
    return Lease(store, state, etag, seconds, clock)


def _refuse_if_held(state: RunState, owner: str, now: datetime) -> None:
    if state.status == "running" and state.owner != owner and state.lease_until > now:
        raise LeaseHeld(
            f"run {state.run_key[:12]}: another run works on this, {state.owner}, at least until "
            f"{state.lease_until:%Y-%m-%d %H:%M:%S} UTC; wait for it, or stop it and wait until then"
        )


class Lease:
    """A lease that renews itself while the ``with`` block runs.

    After the block the run is "finished" if it has a model, else "released".

    Args:
        store: The object store.
        state: The run's state as it was written when the lease was taken.
        etag: ETag of that state.
        seconds: Time after which others may take the lease if it is not renewed.
        clock: Returns the time in UTC.

    Attributes:
        lost: Set when the lease ran out or another took it: stop working, and write nothing more to the run.
    """

    def __init__(self, store: Store, state: RunState, etag: str, seconds: float, clock: Clock) -> None:
        self.lost = threading.Event()
        self._store = store
        self._state = state
        self._etag = etag
        self._unanswered: list[RunState] = []
        self._seconds = seconds
        self._clock = clock
        self._ended = threading.Event()
        self._wake = threading.Event()
        self._epochs_done = state.epochs_done
        self._model = state.model
        self._threads = [
            threading.Thread(target=self._keep_renewing, name="lease-renewal", daemon=True),
            threading.Thread(target=self._watch_expiry, name="lease-watch", daemon=True),
        ]

    def __enter__(self) -> "Lease":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._wake.set()
        for thread in self._threads:
            thread.join(timeout=self._seconds)
        if kind is not None:
            self._model = self._state.model
        finishing = kind is None and self._state.model != self._model
        try:
            if self.lost.is_set() or any(thread.is_alive() for thread in self._threads):
                raise WorkerLost(f"run {self._state.run_key[:12]}: its lease was lost to another")
            self._write("finished" if self._model else "released", self._clock())
        except NasflowError as problem:
            if finishing:
                raise
            # No reason to fail the run: the lease runs out by itself.
            logger.warning("lease of run %s not given back: %s", self._state.run_key[:12], problem)

    def finish(self, model: TrainedModel) -> None:
        """Declare the run finished: leaving the block records it, or raises if it cannot be recorded."""
        self._model = model

    def report(self, epochs_done: int) -> None:
        """Report how many whole epochs are done; it is written soon, in the background."""
        self._epochs_done = epochs_done
        self._wake.set()

    def _keep_renewing(self) -> None:
        while not self._ended.is_set() and not self.lost.is_set():
            self._wake.wait(self._seconds / 4)
            self._wake.clear()
            if not self._ended.is_set():
                self._renew()

    def _renew(self) -> None:
        try:
            # The time before the request: when the answer comes, the lease is that much older.
            self._write("running", self._clock() + timedelta(seconds=self._seconds))
        except LostRace:
            logger.warning("lease of run %s was taken by another", self._state.run_key[:12])
            self.lost.set()
        except NasflowError as problem:
            # Tolerated until the lease runs out, which _watch_expiry notices.
            logger.warning("lease of run %s not renewed yet: %s", self._state.run_key[:12], problem)

    def _write(self, status: str, until: datetime) -> None:
        state = self._state.model_copy(
            update={"status": status, "lease_until": until, "epochs_done": self._epochs_done, "model": self._model}
        )
        key = keys.run_state(state.run_key)
        try:
            try:
                self._etag = replace_record(self._store, key, state, self._etag)
            except LostRace:
                current, etag = read_record(self._store, key, RunState)
                if current not in self._unanswered:
                    raise
                self._etag = replace_record(self._store, key, state, etag)
        except TransientError:
            # It may have been carried out all the same, and would look like another's at the next attempt.
            self._unanswered.append(state)
            raise
        self._state = state
        self._unanswered.clear()

    def _watch_expiry(self) -> None:
        """Notice that the lease ran out even while a renewal hangs in a request."""
        while not self._ended.wait(min(1.0, self._seconds / 20)):
            if self._clock() >= self._state.lease_until:
                logger.warning("lease of run %s ran out", self._state.run_key[:12])
                self.lost.set()
                return
