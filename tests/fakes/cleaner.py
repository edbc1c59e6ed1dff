"""A store that is years older than it says, and ``python -m tests.fakes.cleaner NOW``: housekeeping to stop or kill.

It removes what is old at the moment NOW, an ISO time: so whatever is written later stays young, however slow the
machine is. It says "removed" after each batch, which is one object here, and waits for a line of its input.
"""

import sys
from datetime import datetime, timedelta

from tasks.errors import LeaseHeld
from tasks.housekeeping import in_store, removal
from tasks.records import CleanReport
from tasks.storage.s3 import Store

AGE = timedelta(seconds=1)
LEASE_SECONDS = 3.0


def cleaned(store: Store, now: datetime, on_progress=lambda done, total: None) -> CleanReport:
    """Remove what is old at this moment."""
    return in_store.remove(_at(store, now), AGE, on_progress, LEASE_SECONDS)


def counted(store: Store, now: datetime) -> CleanReport:
    """Count what is old at this moment."""
    return in_store.count(_at(store, now), AGE)


def after(store: Store) -> datetime:
    """A moment at which all that was written so far is old, and what is written from now on is not.

    The store's times have whole seconds, so this waits for the next one.
    """
    now = store.now() + timedelta(seconds=1)
    while store.now() <= now:
        pass
    return now + AGE


def _at(store: Store, moment: datetime) -> Store:
    class StoreAt(Store):
        def now(self) -> datetime:
            return moment

    return StoreAt(store._settings)


def main(now: datetime) -> None:
    removal.BATCH = 1

    def on_progress(done: int, total: int) -> None:
        print("removed", flush=True)
        sys.stdin.readline()

    try:
        cleaned(Store.from_environment(), now, on_progress)
    except LeaseHeld as error:
        print(f"held: {error}", flush=True)


if __name__ == "__main__":
    main(datetime.fromisoformat(sys.argv[1]))
