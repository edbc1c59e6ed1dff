"""Housekeeping of a store: counting what nothing needs any more, and removing it."""

import time
from collections.abc import Callable
from datetime import timedelta

from tasks.errors import LeaseHeld
from tasks.housekeeping.amounts import Tally
from tasks.housekeeping.contents import ImagesInUse, read_contents
from tasks.housekeeping.reachability import Removable, find_removable
from tasks.housekeeping.removal import Removal
from tasks.records import CleanReport
from tasks.storage import keys
from tasks.storage.held_lease import Lease
from tasks.storage.lease_watch import LOOK_SHARE
from tasks.storage.leases import wait_for_lease
from tasks.storage.s3 import Store
from tasks.storage.sweeps import LEASE_SECONDS, housekeeper, take_lease

ROUND_SECONDS = 120.0
"""So long the lease is held at a time. Runs that wait for it go on in between."""

OnProgress = Callable[[int, int], None]
"""Called with the objects removed and the objects in all."""


def count(store: Store, older_than: timedelta) -> CleanReport:
    """Count what nothing needs any more. Nothing is written.

    Args:
        store: The object store.
        older_than: Age up to which everything is kept.

    Returns:
        What could be removed.

    Raises:
        CorruptObject: a record cannot be read, so what it needs is unknown.
    """
    found = find_removable(read_contents(store), older_than, ImagesInUse(store).of)
    return _report(found, _tally_of(store, found), older_than, removed=False)


def remove(
    store: Store,
    older_than: timedelta,
    on_progress: OnProgress = lambda done, total: None,
    lease_seconds: float = LEASE_SECONDS,
) -> CleanReport:
    """Remove what nothing needs any more.

    Args:
        store: The object store.
        older_than: Age up to which everything is kept.
        on_progress: Called with the objects removed and the objects in all.
        lease_seconds: Silence after which others take this process for dead.

    Returns:
        What was removed.

    Raises:
        CorruptObject: a record cannot be read, so what it needs is unknown.
        LeaseHeld: another removal is under way.
        WorkerLost: this process was stopped for so long that another took it for dead.
    """
    images = ImagesInUse(store)
    found = find_removable(read_contents(store), older_than, images.of)
    total, removed, left = _tally_of(store, found).objects, Tally(), set[str]()

    def report_progress() -> None:
        on_progress(removed.objects, max(total, removed.objects))

    is_done, is_first = total == 0, True
    while not is_done:
        with _housekeeping(store, lease_seconds, is_first=is_first) as lease:
            found = find_removable(read_contents(store), older_than, images.of)
            removal = Removal(store, lease, lease_seconds, removed, report_progress)
            is_done = removal.run(found, ROUND_SECONDS)
            left |= removal.left
        is_first = False
        if not is_done:
            time.sleep(2 * LOOK_SHARE * lease_seconds)
    return _report(found, removed, older_than, removed=True).model_copy(update={"left": len(left)})


def _housekeeping(store: Store, seconds: float, *, is_first: bool) -> Lease:
    """Take the lease of housekeeping; in later rounds, after the runs that waited for it."""
    if not is_first:
        return wait_for_lease(store, keys.HOUSEKEEPING, housekeeper(), seconds)
    try:
        return take_lease(store, keys.HOUSEKEEPING, housekeeper(), seconds)
    except LeaseHeld as error:
        message = f"{store.uri('')}: old objects are being removed already ({error}); try again when that is done"
        raise LeaseHeld(message) from None


def _tally_of(store: Store, found: Removable) -> Tally:
    tally = Tally()
    for run in found.runs:
        tally.add(run.entries)
    for run in found.checkpoints:
        tally.add(run.below("checkpoints"))
    for entries in (found.evaluations, found.snapshots, found.blobs, found.pretrained, found.probes):
        tally.add(entries)
    for upload in found.uploads:
        tally.add_upload(store.uploaded_bytes(upload), upload.begun)
    return tally


def _report(found: Removable, tally: Tally, older_than: timedelta, *, removed: bool) -> CleanReport:
    return CleanReport(
        older_than_days=older_than / timedelta(days=1),
        removed=removed,
        kinds=tally.by_kind(),
        total=tally.total(),
        unfinished=Tally(entry for run in found.unfinished for entry in run.entries).total(),
    )
