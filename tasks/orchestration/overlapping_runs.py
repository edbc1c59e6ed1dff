"""Which of several retrain runs of a project runs, and which gives way. Pure: the runs are read elsewhere.

A run that a person asked for never gives way. Of two runs that schedules made, one gives way. Both sides come to the
same answer, because it depends only on times that the server wrote and that do not change any more:

- the older one, if the newer one was due when the older one began;
- else the newer one, because the older one was under way already.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

SILENT = timedelta(minutes=30)
"""A run that gives no sign of life for this long is dead; Prefect's flow runs give one every 3 minutes."""
DECIDED = timedelta(minutes=2)
"""A run that has been running for this long has decided whether it gives way."""


@dataclass(frozen=True)
class RetrainRun:
    """A retrain run that has not ended."""

    id: UUID
    name: str
    project: str
    by_schedule: bool
    expected: datetime
    """When its schedule has it start."""
    created: datetime
    state: Literal["scheduled", "pending", "running"]
    since: datetime
    """When it came into its state."""
    last_sign: datetime
    """Its last sign of life, at the earliest ``since``."""

    @property
    def due(self) -> datetime:
        """From when on other runs could see that this one has to start."""
        return max(self.expected, self.created)


@dataclass(frozen=True)
class GivesWay:
    """That a run gives way to another."""

    to: RetrainRun
    reason: str
    final: bool
    """False while the other run may give way itself; then look again."""


def give_way(run: RetrainRun, others: Sequence[RetrainRun], now: datetime) -> GivesWay | None:
    """Decide whether a run gives way.

    Args:
        run: A run that is running.
        others: Runs that have not ended, of any project; ``run`` may be among them.
        now: The present time.

    Returns:
        To what it gives way; None if it has to run.
    """
    if not run.by_schedule:
        return None
    rivals = [other for other in others if other.project == run.project and other.id != run.id]
    rivals = [other for other in rivals if other.state == "scheduled" or now - other.last_sign < SILENT]
    if newer := [other for other in rivals if _gives_way(run, other) and _order(other) > _order(run)]:
        newest = max(newer, key=_order)
        verb = "is late too" if newest.state == "scheduled" else "has started too"
        reason = f"the run of {_minute(newest.expected)}, {newest.name}, {verb}, and takes its place"
        return GivesWay(newest, reason, final=True)
    under_way = [other for other in rivals if other.state != "scheduled" and not _gives_way(other, run)]
    if not under_way:
        return None
    first = min(under_way, key=lambda other: (not _has_decided(other, now), other.since))
    reason = f"another run of this project is under way: {first.name}, since {_minute(first.since)}"
    return GivesWay(first, reason, final=_has_decided(first, now))


def _gives_way(run: RetrainRun, other: RetrainRun) -> bool:
    """Whether of these two ``run`` gives way, as both of them see it."""
    if not (run.by_schedule and other.by_schedule):
        return False
    older, newer = sorted((run, other), key=_order)
    older_gives_way = older.state != "running" or newer.due <= older.since
    return older_gives_way == (run is older)


def _order(run: RetrainRun) -> tuple[datetime, UUID]:
    return run.expected, run.id


def _has_decided(run: RetrainRun, now: datetime) -> bool:
    return not run.by_schedule or now - run.since >= DECIDED


def _minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
