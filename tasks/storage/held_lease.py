"""A lease while it is held: renewing it, asking before each write, and giving it back. How it works: ``leases``."""

import logging
import threading
import uuid
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from tasks.errors import CorruptObject, LostRace, NasflowError, NotInStore, WorkerLost
from tasks.local.clock import OncePerMinute
from tasks.local.threads import in_context
from tasks.records import LeaseHolder, RunState, TrainedModel
from tasks.storage import keys
from tasks.storage.documents import create_record, read_record, replace_record
from tasks.storage.lease_watch import RunObservation
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)

Status = Literal["running", "released", "finished"]

# Shares of the lease's duration. A holder that lives renews in time even if the store was away for as long as an
# observer does not notice (GAP_SHARE), and the holder's connection hung twice: 1/4 + 1/4 + 2/5 + 1/16 < 1.
RENEW_SHARE = 1 / 4
ANSWER_SHARE = 1 / 5
RETRY_SHARE = 1 / 16
CERTAIN_SHARE = 1 / 2


class Lease:
    """A lease that renews itself while the ``with`` block runs.

    After the block the run is "finished" if it has a model, else "released".

    Args:
        store: The object store.
        observation: What was seen of the run.
        holder: Who holds it.
        seconds: Silence after which others may take it.

    Attributes:
        lost: Set when another took it: stop working, and write nothing more to the run.
        store: The same store for whatever is written to the run: it calls ``confirm`` before each write.
        previous: State in which the run was before; None if nobody has held its lease yet.
    """

    def __init__(self, store: Store, observation: RunObservation, holder: LeaseHolder, seconds: float) -> None:
        self.previous = previous = observation.state
        self.lost = threading.Event()
        self.store = store.guarded(self.confirm)
        self._patient, self._quick = store, store.answering_within(seconds * ANSWER_SHARE)
        self._clock = observation.clock
        self._state = RunState(
            run_key=observation.run_key,
            status="running",
            holder=holder,
            lease=uuid.uuid4().hex,
            lease_seconds=seconds,
            renewals=0,
            renewed_at=datetime.now(UTC),
            epochs_done=previous.epochs_done if previous else 0,
            model=previous.model if previous else None,
        )
        self._epochs_done = self._state.epochs_done
        self._model: TrainedModel | None = None
        self._etag = ""
        at_once = previous is not None and previous.status == "running" and not observation.holder_is_dead
        self._settling = previous.lease_seconds * CERTAIN_SHARE if previous and at_once else 0.0
        self._writes_from = self._certain_until = float("-inf")
        self._failed = float("-inf")
        self._reminder = OncePerMinute(self._clock)
        self._lock = threading.RLock()
        self._removed = False
        self._ended, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=in_context(self._keep_renewing), name="lease-renewal", daemon=True)

    @property
    def model(self) -> TrainedModel | None:
        """The model of the run, if it was finished when the lease was taken."""
        return self._state.model

    def take(self, etag: str | None) -> None:
        """Write the state for the first time, in place of the one with this ETag.

        Raises:
            LostRace: another was first.
        """
        began = self._clock.now()
        key = keys.run_state(self._state.run_key)
        if etag is None:
            self._etag = create_record(self._quick, key, self._state)
        else:
            self._etag = replace_record(self._quick, key, self._state, etag)
        self._certain_until = began + self._state.lease_seconds * CERTAIN_SHARE
        # Until the answer the holder before may have renewed.
        self._writes_from = self._clock.now() + self._settling

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._wake.set()
        self._thread.join(timeout=self._state.lease_seconds)
        if self._removed:
            return
        model = self._model if kind is None else None
        try:
            self._give_back(model)
        except NasflowError as problem:
            if model is not None:
                raise
            # No reason to fail the run: the lease runs out by itself.
            logger.warning("lease of run %s not given back: %s", self._state.run_key[:12], problem)

    def finish(self, model: TrainedModel) -> None:
        """Declare the run finished: leaving the block records it, or raises if it cannot be recorded."""
        self._model = model

    def remove(self) -> None:
        """Delete the run's state, the last that is left of the run. This ends the lease.

        Raises:
            WorkerLost: another took the lease; the state is theirs.
        """
        with self._lock:
            self.confirm()
            self._patient.delete([keys.run_state(self._state.run_key)])
            self._removed = True
            self._ended.set()

    def report(self, epochs_done: int) -> None:
        """Report how many whole epochs are done; it is written soon, in the background."""
        self._epochs_done = epochs_done
        self._wake.set()

    def confirm(self) -> None:
        """Make sure that the lease is still this one's, before something is written to the run.

        Raises:
            WorkerLost: another took it, or it was given back.
            StoreUnavailable: only the store can tell, and it does not answer.
        """
        if (left := self._writes_from - self._clock.now()) > 0:
            self._clock.sleep(left)
        if not self._is_certain():
            with self._lock:  # while this waited, another thread may have renewed
                if not self._is_certain():
                    self._renew()

    def check(self) -> None:
        """Make sure that the lease is still this one's, unless the store is known not to answer.

        Raises:
            WorkerLost: another took it, or it was given back.
        """
        known_outage = self._clock.now() - self._failed < self._state.lease_seconds * CERTAIN_SHARE
        if not self._is_certain() and not known_outage:
            self.renew()
            self._is_certain()

    def renew(self) -> bool:
        """Renew now; the thread of the ``with`` block does it again and again.

        Returns:
            Whether the store answered, with yes or no.
        """
        try:
            self._renew()
        except WorkerLost:
            return True
        except NasflowError as problem:
            if self._reminder.is_due():
                logger.warning("lease of run %s not renewed, training goes on: %s", self._state.run_key[:12], problem)
            return False
        return True

    def _is_certain(self) -> bool:
        """Whether nobody else can have the lease yet."""
        if self.lost.is_set() or self._ended.is_set():
            raise WorkerLost(f"run {self._state.run_key[:12]}: its lease is no longer this one's; this one stops")
        return self._clock.now() < self._certain_until

    def _keep_renewing(self) -> None:
        seconds, answered = self._state.lease_seconds, True
        while not self._ended.is_set() and not self.lost.is_set():
            self._wake.wait(seconds * (RENEW_SHARE if answered else RETRY_SHARE))
            self._wake.clear()
            if not self._ended.is_set():
                answered = self.renew()

    def _renew(self) -> None:
        with self._lock:
            if self._removed:
                return
            try:
                self._write(self._quick, "running", self._state.model)
            except WorkerLost as error:
                if not self.lost.is_set():
                    self.lost.set()
                    logger.warning("%s", error)
                raise
            except NasflowError:
                self._failed = self._clock.now()
                raise

    def _give_back(self, model: TrainedModel | None) -> None:
        with self._lock:
            if self.lost.is_set():
                raise WorkerLost(f"run {self._state.run_key[:12]}: its lease was lost to another")
            if model := model or self._state.model:
                self._write(self._patient, "finished", model)
            else:
                self._write(self._quick, "released", None)

    def _write(self, store: Store, status: Status, model: TrainedModel | None) -> None:
        """Replace the state, if it is still of this lease."""
        began, key = self._clock.now(), keys.run_state(self._state.run_key)
        # Counted also if it fails: it may be carried out all the same, and no two states may be equal.
        self._state = self._state.model_copy(update={"renewals": self._state.renewals + 1})
        state = self._state.model_copy(
            update={
                "status": status, "model": model, "epochs_done": self._epochs_done, "renewed_at": datetime.now(UTC),
            }
        )  # fmt: skip
        try:
            self._etag = replace_record(store, key, state, self._etag)
        except LostRace:
            self._etag = replace_record(store, key, state, self._own_etag(store))
        self._certain_until = began + state.lease_seconds * CERTAIN_SHARE

    def _own_etag(self, store: Store) -> str:
        """ETag of an earlier write of this lease whose answer was lost."""
        run = f"run {self._state.run_key[:12]}"
        try:
            current, etag = read_record(store, keys.run_state(self._state.run_key), RunState)
        except (NotInStore, CorruptObject) as error:
            raise WorkerLost(f"{run}: its lease is gone: {error}") from None
        if current.lease != self._state.lease:
            raise WorkerLost(f"{run}: its lease was lost to another, {current.holder}")
        return etag
