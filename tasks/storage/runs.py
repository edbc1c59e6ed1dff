"""Training runs in the store: who works on one, its checkpoints, and the finished model.

The lease is a compare-and-swap on ``runs/<key>/state.json``: one worker at a time, and a dead one's place is free after
a while. Clocks of the workers should agree to well within a lease.
"""

import logging
import shutil
import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType

from tasks.errors import CorruptObject, LeaseHeld, LostRace, NasflowError, NotInStore, TransientError, WorkerLost
from tasks.records import CheckpointManifest, RunState, StoredFile, TrainedModel
from tasks.storage import keys
from tasks.storage.documents import create_record, find_record, put_record, read_record, replace_record
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)

_MANIFEST = "/manifest.json"

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def hold_lease(store: Store, run_key: str, owner: str, seconds: float, *, clock: Clock = utc_now) -> "Lease":
    """Take a run's lease, to be used as a context manager at once.

    Args:
        store: Where the run is.
        run_key: Digest of the TrainingSpec.
        owner: Who takes it; the same owner may take it again, as a retry does.
        seconds: Until others may take it when this process falls silent.
        clock: Tells the time in UTC.

    Raises:
        LeaseHeld: somebody else has it.
    """
    key = keys.run_state(run_key)
    now = clock()
    state = RunState(run_key=run_key, status="running", owner=owner, lease_until=now + timedelta(seconds=seconds))
    try:
        try:
            before, etag = read_record(store, key, RunState)
        except NotInStore:
            etag = create_record(store, key, state)
        else:
            _refuse_if_held(before, owner, now)
            state = state.model_copy(update={"epochs_done": before.epochs_done, "model": before.model})
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
            threading.Thread(target=self._watch, name="lease-watch", daemon=True),
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
            # Not worth failing the run for: the lease runs out by itself.
            logger.warning("lease of run %s not given back: %s", self._state.run_key[:12], problem)

    def finish(self, model: TrainedModel) -> None:
        """Declare the run finished: leaving the block records it, or raises if that cannot be."""
        self._model = model

    def report(self, epochs_done: int) -> None:
        """Tell how many whole epochs are done; written soon, in the background."""
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
            # The time before the request: by the time of the answer the lease is that much older.
            self._write("running", self._clock() + timedelta(seconds=self._seconds))
        except LostRace:
            logger.warning("lease of run %s was taken by another", self._state.run_key[:12])
            self.lost.set()
        except NasflowError as problem:
            # Borne until the lease runs out, which _watch notices.
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
                there, etag = read_record(self._store, key, RunState)
                if there not in self._unanswered:
                    raise
                self._etag = replace_record(self._store, key, state, etag)
        except TransientError:
            # It may have been carried out all the same, and would look like another's at the next try.
            self._unanswered.append(state)
            raise
        self._state = state
        self._unanswered.clear()

    def _watch(self) -> None:
        """Notice that the lease ran out even while a renewal hangs in a request."""
        while not self._ended.wait(min(1.0, self._seconds / 20)):
            if self._clock() >= self._state.lease_until:
                logger.warning("lease of run %s ran out", self._state.run_key[:12])
                self.lost.set()
                return


def save_checkpoint(store: Store, run_key: str, epochs_done: int, files: Mapping[str, Path]) -> CheckpointManifest:
    """Save a checkpoint: content first, manifest last. Only the holder of the run's lease may call this.

    A checkpoint of the same epoch, taken in the middle of it, is replaced.

    Args:
        store: Where to.
        run_key: Digest of the TrainingSpec.
        epochs_done: Whole epochs that the files hold.
        files: Name in the run's folder, and the file. A name may be given to a newer file meanwhile.

    Raises:
        StoreError: a file was changed while it was read.
    """

    def upload(name: str, path: Path) -> StoredFile:
        return store.upload(path, lambda sha256: keys.checkpoint_file(run_key, epochs_done, sha256, name))

    manifest = CheckpointManifest(
        run_key=run_key,
        epochs_done=epochs_done,
        files={name: upload(name, path) for name, path in files.items()},
    )
    put_record(store, keys.checkpoint_manifest(run_key, epochs_done), manifest)
    return manifest


def restore_checkpoint(store: Store, run_key: str, folder: Path, names: Iterable[str]) -> CheckpointManifest | None:
    """Bring back the newest checkpoint that is whole; older ones are tried when a newer one is damaged.

    Damaged objects are deleted, so that the same content can be saved there again.

    Args:
        store: Where from.
        run_key: Digest of the TrainingSpec.
        folder: Where the files go, all of one checkpoint or none.
        names: Files to bring back; those that the checkpoint does not have are passed over.

    Returns:
        Its manifest, or None if there is no whole checkpoint.
    """
    wanted = list(names)
    folder.mkdir(parents=True, exist_ok=True)
    for _, manifest in reversed(_manifests(store, run_key)):
        aside = folder / f".restore-{uuid.uuid4().hex}"
        try:
            files = [(name, manifest.files[name]) for name in wanted if name in manifest.files]
            for name, stored in files:
                _download(store, stored, aside / name)
            for name, _ in files:
                (aside / name).replace(folder / name)
        except (CorruptObject, NotInStore) as error:
            logger.warning("checkpoint of epoch %d skipped: %s", manifest.epochs_done, error)
        else:
            return manifest
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return None


def prune_checkpoints(store: Store, run_key: str, keep: int = 2) -> None:
    """Delete all but the newest checkpoints. Only the holder of the run's lease may call this.

    Args:
        store: Where.
        run_key: Digest of the TrainingSpec.
        keep: How many stay, at least 1.
    """
    kept = dict(_manifests(store, run_key)[-keep:])
    if not kept:
        return
    used = {file.key for manifest in kept.values() for file in manifest.files.values()} | kept.keys()
    # Nothing beside the newest checkpoint is touched: another one of its epoch may be on its way.
    newest = max(kept).removesuffix(_MANIFEST)
    _delete(store, [key for key in store.list(keys.checkpoints(run_key)) if key not in used and key < newest])


def drop_checkpoints(store: Store, run_key: str) -> None:
    """Delete all checkpoints of a finished run, which goes on from none."""
    _delete(store, store.list(keys.checkpoints(run_key)))


def _delete(store: Store, checkpoints: list[str]) -> None:
    """Manifests first: what has no manifest does not exist."""
    store.delete(key for key in checkpoints if key.endswith(_MANIFEST))
    store.delete(key for key in checkpoints if not key.endswith(_MANIFEST))


def find_model(store: Store, run_key: str) -> TrainedModel | None:
    """The model of a finished run, or None if the run is not finished.

    Raises:
        CorruptObject: the record is damaged.
    """
    state = find_record(store, keys.run_state(run_key), RunState)
    return state.model if state else None


def newest_epoch(store: Store, run_key: str) -> int:
    """Whole epochs of the newest checkpoint; -1 if there is none."""
    return max((manifest.epochs_done for _, manifest in _manifests(store, run_key)), default=-1)


def _manifests(store: Store, run_key: str) -> list[tuple[str, CheckpointManifest]]:
    """Key and content of every readable manifest, oldest first: epochs in keys have a fixed width."""
    found = []
    for key in store.list(keys.checkpoints(run_key)):
        if not key.endswith(_MANIFEST):
            continue
        try:
            found.append((key, read_record(store, key, CheckpointManifest)[0]))
        except (CorruptObject, NotInStore) as error:
            logger.warning("checkpoint skipped: %s", error)
    return found


def _download(store: Store, stored: StoredFile, path: Path) -> None:
    try:
        store.download(stored, path)
    except CorruptObject:
        # Its metadata still names the right SHA-256, so that an upload would take it for whole.
        store.delete([stored.key])
        raise
