"""Machines with clocks of their own and a store in memory, in simulated time. Networks fail as badly as real ones."""

import hashlib
import random
from collections.abc import Callable
from typing import Any

from tasks.errors import LeaseHeld, LostRace, NotInStore, StoreUnavailable, WorkerLost
from tasks.local.clock import Clock
from tasks.records import LeaseHolder, RunState
from tasks.storage import keys
from tasks.storage.documents import read_record
from tasks.storage.held_lease import RENEW_SHARE, RETRY_SHARE, Lease
from tasks.storage.lease_watch import RunObservation
from tasks.storage.leases import hold_lease, look_for_lease

RUN = "a" * 64
SECONDS = 16.0
"""Duration of a lease."""
TICK = 0.5


class World:
    """The time that nobody knows, the objects of the store, and what was written to the run by whom."""

    def __init__(self) -> None:
        self.time = 0.0
        self.objects: dict[str, bytes] = {}
        self.is_down = False
        self.refuses_writes = False
        self.late: list[tuple[float, Callable[[], object]]] = []
        self.writers: list[str] = []

    def pass_time(self, seconds: float) -> None:
        self.time += seconds
        due = [write for when, write in self.late if when <= self.time]
        self.late = [entry for entry in self.late if entry[0] > self.time]
        for write in due:
            write()

    def state(self) -> RunState:
        link: Any = Link(self)
        return read_record(link, keys.run_state(RUN), RunState)[0]


class Link:
    """One machine's way to the store; stands in for ``Store``.

    Attributes:
        is_cut: No request arrives.
        drop_answers: So many of the next writes are carried out without an answer.
        delay_writes: So many of the next writes are not answered, and carried out two seconds later.
    """

    def __init__(self, world: World, before_write: Callable[[], None] = lambda: None) -> None:
        self.world, self.before_write = world, before_write
        self.is_cut = False
        self.drop_answers = self.delay_writes = 0

    def uri(self, key: str) -> str:
        return key

    def answering_within(self, seconds: float) -> "Link":
        return self

    def guarded(self, before_write: Callable[[], None]) -> "GuardedLink":
        return GuardedLink(self, before_write)

    def get(self, key: str) -> tuple[bytes, str]:
        self._arrive()
        if key not in self.world.objects:
            raise NotInStore(key)
        data = self.world.objects[key]
        return data, _etag(data)

    def put(self, key: str, data: bytes, *, content_type: str = "") -> str:
        self._arrive(writes=True)
        self.world.objects[key] = data
        return _etag(data)

    def create(self, key: str, data: bytes, *, content_type: str = "") -> str:
        return self._write(key, data, None)

    def replace(self, key: str, data: bytes, etag: str, *, content_type: str = "") -> str:
        return self._write(key, data, etag)

    def note(self, who: str) -> None:
        """Write something to the run."""
        self._arrive(writes=True)
        self.world.writers.append(who)

    def _arrive(self, writes: bool = False) -> None:
        if self.is_cut or self.world.is_down or (writes and self.world.refuses_writes):
            raise StoreUnavailable("no answer")

    def _write(self, key: str, data: bytes, etag: str | None) -> str:
        self._arrive(writes=True)

        def carry_out() -> bool:
            current = self.world.objects.get(key)
            if (None if current is None else _etag(current)) != etag:
                return False
            self.world.objects[key] = data
            return True

        if self.delay_writes:
            self.delay_writes -= 1
            self.world.late.append((self.world.time + 2, carry_out))
            raise StoreUnavailable("no answer")
        is_done = carry_out()
        if self.drop_answers:
            self.drop_answers -= 1
            raise StoreUnavailable("no answer")
        if not is_done:
            raise LostRace(key)
        return _etag(data)


class GuardedLink:
    """A link whose writes ask first."""

    def __init__(self, link: Link, before_write: Callable[[], None]) -> None:
        self._link, self._before_write = link, before_write

    def note(self, who: str) -> None:
        self._before_write()
        self._link.note(who)


class TooEarly(Exception):
    """Whoever would sleep in simulated time comes again later."""


def _refuse_to_sleep(_seconds: float) -> None:
    raise TooEarly


class Machine:
    """A process that wants the lease, holds it, renews it, and writes to the run whenever it may.

    Attributes:
        sleeps_until: Until then it does nothing, and its clock goes on.
        error: What ended it, if something did.
    """

    def __init__(self, world: World, flow_run: str, attempt: int = 1) -> None:
        self.world = world
        self.link: Any = Link(world)
        offset = random.Random(f"{flow_run} {attempt}").uniform(-600, 600)
        self.clock = Clock(lambda: world.time + offset, _refuse_to_sleep)
        self.name = f"{flow_run}.{attempt}"
        self.holder = LeaseHolder(flow_run=flow_run, attempt=attempt, process=self.name, place="here")
        self.observation = RunObservation(RUN, self.clock)
        self.lease: Lease | None = None
        self.error: Exception | None = None
        self.sleeps_until = self._next = 0.0

    def act(self) -> None:
        """What it does at this moment."""
        if self.error or self.world.time < self.sleeps_until:
            return
        try:
            if self.lease:
                self._work(self.lease)
            elif self.world.time >= self._next:
                self._look()
        except (LeaseHeld, StoreUnavailable, TooEarly):
            pass
        except Exception as error:  # noqa: BLE001 it has ended
            self.error = error

    def _look(self) -> None:
        self._next = self.world.time + self.observation.look_every(SECONDS)
        look_for_lease(self.link, self.observation)
        self.lease = hold_lease(self.link, self.observation, self.holder, SECONDS)
        self._next = self.world.time + SECONDS * RENEW_SHARE

    def _work(self, lease: Lease) -> None:
        """Threads wake up in any order: now and then the writer comes before the renewal."""
        store: Any = lease.store
        steps = [lambda: self._renew(lease), lambda: store.note(self.name), lease.check]
        random.Random(self.world.time).shuffle(steps)
        for step in steps:
            try:
                step()
            except (StoreUnavailable, TooEarly):
                continue

    def _renew(self, lease: Lease) -> None:
        if self.world.time >= self._next:
            answered = lease.renew()
            self._next = self.world.time + SECONDS * (RENEW_SHARE if answered else RETRY_SHARE)

    @property
    def stepped_down(self) -> bool:
        return isinstance(self.error, WorkerLost)


def _etag(data: bytes) -> str:
    """By content alone, as some stores do: equal states would look as if nothing had happened."""
    return hashlib.sha256(data).hexdigest()
