"""Removing what nothing needs any more, while the lease of housekeeping is held.

What names something goes before what it names: the state that says that a run is finished, a report, a manifest. So
after a kill nothing claims to be whole that is not, and the next removal takes the rest.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence

from tasks.errors import LeaseHeld
from tasks.housekeeping.amounts import Tally
from tasks.housekeeping.contents import Run
from tasks.housekeeping.reachability import Removable
from tasks.storage import keys
from tasks.storage.held_lease import Lease
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tasks.storage.s3_objects import Entry
from tasks.storage.sweeps import housekeeper, take_for_removal

logger = logging.getLogger(__name__)

BATCH = 400
"""Objects that are deleted between two looks at the time."""
NAMES = ("/report.json", "/manifest.json")
"""Ends of the keys of records that make something exist."""


class Removal:
    """Removes objects under one lease of housekeeping.

    Args:
        store: The object store.
        lease: The lease of housekeeping, which is held.
        seconds: Silence after which others may take the leases of runs.
        tally: Counts what was removed.
        on_progress: Called after each batch.
    """

    def __init__(
        self, store: Store, lease: Lease, seconds: float, tally: Tally, on_progress: Callable[[], None]
    ) -> None:
        self._store, self._lease, self._seconds = store, lease, seconds
        self._tally, self._on_progress = tally, on_progress
        self.left: set[str] = set()
        """Runs that somebody uses again."""

    def run(self, found: Removable, seconds: float) -> bool:
        """Remove what was found.

        Args:
            found: What to remove, found under the same lease.
            seconds: After this long it stops early.

        Returns:
            Whether it came to the end.

        Raises:
            WorkerLost: the lease was lost.
            StoreUnavailable: the store does not answer.
        """
        deadline = time.monotonic() + seconds
        for _ in self._steps(found):
            self._on_progress()
            if time.monotonic() > deadline:
                return False
        return True

    def _steps(self, found: Removable) -> Iterator[None]:
        for run in found.runs:
            self._remove_run(run)
            yield
        for run in found.checkpoints:
            if find_model(self._store, run.key):
                yield from self._delete(run.below("checkpoints"))
        yield from self._delete(found.evaluations)
        yield from self._delete(found.snapshots)
        yield from self._delete(found.blobs)
        yield from self._delete(found.pretrained)
        yield from self._delete(found.probes)
        for upload in found.uploads:
            size = self._store.uploaded_bytes(upload)
            self._lease.store.abort(upload)
            self._tally.add_upload(size, upload.begun)
            yield

    def _delete(self, entries: Sequence[Entry]) -> Iterator[None]:
        names = [entry for entry in entries if entry.key.endswith(NAMES)]
        content = [entry for entry in entries if not entry.key.endswith(NAMES)]
        for part in (names, content):
            for start in range(0, len(part), BATCH):
                batch = part[start : start + BATCH]
                self._lease.store.delete(entry.key for entry in batch)
                self._tally.add(batch)
                yield

    def _remove_run(self, run: Run) -> None:
        """Remove a run with its lease in hand: it is not finished any more, then empty, then not there."""
        self._lease.confirm()
        try:
            lease = take_for_removal(self._store, run.key, run.etag, housekeeper(), self._seconds)
        except LeaseHeld as error:
            logger.info("left as it is: %s", error)
            self.left.add(run.key)
            return
        with lease:
            others = [key for key in self._store.list(keys.run(run.key)) if key != keys.run_state(run.key)]
            lease.store.delete(key for key in others if key.endswith(NAMES))
            lease.store.delete(key for key in others if not key.endswith(NAMES))
            lease.remove()
        self._tally.add(run.entries)
