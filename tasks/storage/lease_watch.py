"""The lease of a training run, seen from outside: how long its holder has been silent.

The observer counts on its own clock how long the run's state has not changed, from the end of one look to the start of
a later one. It counts only while the store answers it. After a look that failed, and after a gap between two looks (the
observer slept, or the store was away), it starts again from zero, because the holder may not have been able to renew
its lease either.
"""

from tasks.errors import NotInStore
from tasks.local.clock import BOOT_CLOCK, Clock
from tasks.records import RunState
from tasks.storage import keys
from tasks.storage.documents import read_record
from tasks.storage.s3 import Store

LOOK_SHARE = 1 / 8
"""Time between two looks, as a share of the lease's duration."""
GAP_SHARE = 1 / 4
"""A longer time between two looks, as a share of the lease's duration, is a gap."""


class RunObservation:
    """Looks at a run's state again and again, and counts how long it has not changed.

    Look at least every ``look_every(...)`` seconds: a longer pause does not count as silence.

    Args:
        run_key: Digest of the TrainingSpec.
        clock: The observer's own clock.

    Attributes:
        state: The state at the last look; None if there was none, or no look yet.
        etag: Its ETag.
        silent: For how many seconds it has not changed.
    """

    def __init__(self, run_key: str, clock: Clock = BOOT_CLOCK) -> None:
        self.run_key = run_key
        self.clock = clock
        self.state: RunState | None = None
        self.etag: str | None = None
        self.silent = 0.0
        self._unchanged_since: float | None = None
        self._looked = 0.0

    def look(self, store: Store) -> float:
        """Look once.

        Args:
            store: The object store.

        Returns:
            For how many seconds the state is known not to have changed; 0 after a change, a failed look or a gap.

        Raises:
            CorruptObject: the state cannot be read.
            StoreUnavailable: the store does not answer.
        """
        since = self._unchanged_since
        self.restart()
        began = self.clock.now()
        state, etag = self._read(store)
        ended = self.clock.now()
        is_gap = state is None or ended - self._looked > state.lease_seconds * GAP_SHARE
        if since is None or is_gap or etag != self.etag:
            since = ended
        self.state, self.etag = state, etag
        self.silent, self._unchanged_since, self._looked = max(0.0, began - since), since, ended
        return self.silent

    def restart(self) -> None:
        """Count from zero again."""
        self.silent, self._unchanged_since = 0.0, None

    @property
    def holder_is_dead(self) -> bool:
        """Whether somebody holds the lease and has been silent for the lease's duration."""
        state = self.state
        return state is not None and state.status == "running" and self.silent >= state.lease_seconds

    def look_every(self, default: float) -> float:
        """Seconds until the next look.

        Args:
            default: Duration of a lease, if nobody has taken this one yet.

        Returns:
            A share of the lease's duration.
        """
        return (self.state.lease_seconds if self.state else default) * LOOK_SHARE

    def _read(self, store: Store) -> tuple[RunState | None, str | None]:
        try:
            return read_record(store, keys.run_state(self.run_key), RunState)
        except NotInStore:
            return None, None
