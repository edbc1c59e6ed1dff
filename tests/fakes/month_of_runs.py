"""A month of retrain runs with a clock of its own: schedules, a worker that comes and goes, and people.

Only the decision is real. Runs begin late, decide slowly and last long; the worker is killed, and is away for days.
"""

import heapq
import itertools
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

from tasks.orchestration.overlapping_runs import DECIDED, SILENT, RetrainRun, give_way

POLL = timedelta(seconds=10)
LOOK_AGAIN = timedelta(seconds=5)
SLOWEST = DECIDED / 4
"""Longest time from a run's start to its look at the others, and from there to its answer."""


@dataclass
class Fate:
    """What became of a run."""

    run: RetrainRun
    worked_from: datetime | None = None
    ended: datetime | None = None
    killed: bool = False
    gave_way_to: RetrainRun | None = None
    gave_way_at: datetime | None = None


@dataclass
class Month:
    """Runs, the times in which the worker is there, and chance."""

    random: Random
    capacity: int
    away: list[tuple[datetime, datetime]]
    fates: dict[UUID, Fate] = field(default_factory=dict)

    def __post_init__(self):
        self._events = []
        self._open = {}
        self._numbers = itertools.count()
        self._ids = itertools.count(1)
        self._busy = 0
        self._generation = 0

    def add(self, project, expected, created, *, by_schedule):
        """A run that starts when it is due and the worker has room."""
        run_id = UUID(int=self.random.getrandbits(64) << 32 | next(self._ids))
        run = RetrainRun(
            run_id, f"run-{expected}", project, by_schedule, expected, created, "scheduled", created, created
        )
        self.fates[run_id] = Fate(run)
        self._at(max(expected, created), self._arrive, run_id)

    def play(self):
        """Let everything happen; runs that are left when nothing happens any more were never taken."""
        for start, end in self.away:
            self._at(start, self._lose_worker)
            self._at(end, self._poll)
        while self._events:
            now, _, action, *arguments = heapq.heappop(self._events)
            action(now, *arguments)
        return list(self.fates.values())

    def _at(self, time, action, *arguments):
        heapq.heappush(self._events, (time, next(self._numbers), action, *arguments))

    def _delay(self, longest):
        return longest * self.random.random()

    def _arrive(self, now, run_id):
        self._open[run_id] = self.fates[run_id].run
        self._at(now + self._delay(POLL), self._poll)

    def _poll(self, now):
        if any(start <= now < end for start, end in self.away):
            return
        waiting = [run for run in self._open.values() if run.state == "scheduled"]
        self.random.shuffle(waiting)
        for run in waiting[: max(self.capacity - self._busy, 0)]:
            self._busy += 1
            self._move(run.id, "pending", now)
            self._at(now + self._delay(SLOWEST), self._begin, run.id, self._generation)

    def _move(self, run_id, state, now):
        self._open[run_id] = replace(self._open[run_id], state=state, since=now, last_sign=now)

    def _begin(self, now, run_id, generation):
        if generation == self._generation:
            self._move(run_id, "running", now)
            self._at(now + self._delay(SLOWEST), self._look, run_id, generation)

    def _look(self, now, run_id, generation):
        if generation != self._generation:
            return
        # Signs of life come every three minutes from whatever the worker holds.
        others = [self._with_sign(run, now) for run in self._open.values()]
        answer = give_way(self._open[run_id], others, now)
        if answer is not None and not answer.final:
            self._at(now + LOOK_AGAIN, self._look, run_id, generation)
        else:
            self._at(now + self._delay(SLOWEST), self._answer, run_id, generation, answer)

    def _with_sign(self, run, now):
        alive = run.state == "running" and not self.fates[run.id].killed
        return replace(run, last_sign=now - self._delay(timedelta(minutes=3))) if alive else run

    def _answer(self, now, run_id, generation, answer):
        if generation != self._generation:
            return
        fate = self.fates[run_id]
        if answer is not None:
            fate.gave_way_to, fate.gave_way_at = answer.to, now
            self._end(now, run_id, generation)
            return
        fate.worked_from = now
        hours = self.random.choice([0.01, 0.2, 1, 5, 30])
        self._at(now + timedelta(hours=hours * self.random.random()), self._end, run_id, generation)

    def _end(self, now, run_id, generation):
        if generation == self._generation:
            self.fates[run_id].ended = now
            del self._open[run_id]
            self._busy -= 1
            self._at(now, self._poll)

    def _lose_worker(self, now):
        """Everything that it holds is killed. Of some runs Prefect hears that, others look as if they went on."""
        self._generation += 1
        self._busy = 0
        for run in list(self._open.values()):
            fate = self.fates[run.id]
            if run.state != "scheduled" and not fate.killed:
                fate.killed, fate.ended = True, now
                if self.random.random() < 0.5:
                    del self._open[run.id]


def looks_alive_until(fate):
    """Until when others take a run for one that is under way."""
    return fate.ended + SILENT if fate.killed else fate.ended
