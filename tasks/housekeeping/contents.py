"""What the store has, as housekeeping sees it: listings, cards and the states of runs. Read here, judged elsewhere."""

import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial

from tasks.errors import NotInStore
from tasks.local.threads import in_context
from tasks.records import ModelVersion, RunState, TrainingSpec
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot
from tasks.storage.documents import find_record, read_record
from tasks.storage.s3 import OpenUpload, Store
from tasks.storage.s3_objects import Entry
from tasks.storage.sweeps import HOUSEKEEPER

THREADS = 8
SHA256 = "[0-9a-f]{64}"


@dataclass(frozen=True)
class Run:
    """A training run: all of its objects, and what is known about it."""

    key: str
    entries: tuple[Entry, ...]
    state: RunState | None = None
    etag: str | None = None
    """Of its state."""
    stored_spec: TrainingSpec | None = None

    @cached_property
    def modified(self) -> datetime:
        """When the newest of its objects was written."""
        return max(entry.modified for entry in self.entries)

    @property
    def is_finished(self) -> bool:
        """Whether it has a model. Such a run never trains again."""
        return self.state is not None and self.state.model is not None

    @property
    def is_half_removed(self) -> bool:
        """Whether a removal was killed in the middle of it. Whoever trains it anew becomes the holder of its lease."""
        return self.state is not None and self.state.model is None and self.state.holder.flow_run == HOUSEKEEPER

    @property
    def is_unfinished(self) -> bool:
        """Whether somebody trains it, or can go on with it."""
        return self.state is not None and self.state.model is None and not self.is_half_removed

    @property
    def spec(self) -> TrainingSpec | None:
        """Its specification; None for leftovers."""
        return self.state.model.spec if self.state and self.state.model else self.stored_spec

    @cached_property
    def weights(self) -> set[str]:
        """The first 16 digits of the SHA-256 of its weights."""
        return {entry.key.rpartition("/")[2][:16] for entry in self.below("weights")}

    def below(self, folder: str) -> tuple[Entry, ...]:
        """Its objects in one of its folders."""
        return tuple(entry for entry in self.entries if entry.key.startswith(f"{keys.run(self.key)}{folder}/"))


@dataclass(frozen=True)
class Contents:
    """What the store has. Objects that nasflow does not write are left out, so that nobody removes them."""

    now: datetime
    """By the store's clock."""
    cards: tuple[ModelVersion, ...] = ()
    runs: tuple[Run, ...] = ()
    snapshots: dict[str, Entry] = field(default_factory=dict)
    """Manifests by digest."""
    blobs: dict[str, Entry] = field(default_factory=dict)
    """Images and zips by SHA-256."""
    pretrained: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    """Weights that others published, each with its manifest, by SHA-256."""
    probes: tuple[Entry, ...] = ()
    uploads: tuple[OpenUpload, ...] = ()


def read_contents(store: Store) -> Contents:
    """Read what the store has: a request for each thousand objects, for each run and for each card.

    Raises:
        CorruptObject: a card, or the state or the specification of a run cannot be read, so what it needs is unknown.
    """
    now = store.now()
    # Cards come last: one that is published meanwhile names a run that is new, or was renewed for it.
    snapshots = _by_name(store.entries(keys.snapshots()), rf"({SHA256})\.json")
    blobs = _by_name(store.entries(keys.blobs()), rf"../({SHA256})")
    pretrained = _by_digest(store.entries(keys.all_pretrained()), keys.all_pretrained())
    runs = _read_runs(store)
    probes = _by_name(store.entries(keys.probes()), "([0-9a-f]{32})")
    written = (keys.blobs(), keys.all_pretrained(), keys.all_runs(), keys.all_models())
    uploads = tuple(upload for prefix in written for upload in store.open_uploads(prefix))
    return Contents(now, _read_cards(store), runs, snapshots, blobs, pretrained, tuple(probes.values()), uploads)


def _by_name(entries: Iterable[Entry], pattern: str) -> dict[str, Entry]:
    """Objects by the name that the pattern finds at the end of their key; others are left out."""
    found = ((re.search(rf"/{pattern}$", f"/{entry.key}"), entry) for entry in entries)
    return {match[1]: entry for match, entry in found if match}


def _by_digest(entries: Iterable[Entry], prefix: str) -> dict[str, tuple[Entry, ...]]:
    """Objects by the digest that follows a prefix; others are left out."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if match := re.match(rf"{prefix}({SHA256})/", entry.key):
            found.setdefault(match[1], []).append(entry)
    return {digest: tuple(of_digest) for digest, of_digest in found.items()}


def _read_cards(store: Store) -> tuple[ModelVersion, ...]:
    cards = [key for key in store.list(keys.all_models()) if re.fullmatch(r"models/[^/]+/\d+/card\.json", key)]
    with ThreadPoolExecutor(THREADS) as pool:
        return tuple(pool.map(in_context(partial(_read_card, store)), cards))


def _read_card(store: Store, key: str) -> ModelVersion:
    return read_record(store, key, ModelVersion)[0]


def _read_runs(store: Store) -> tuple[Run, ...]:
    by_run = _by_digest(store.entries(keys.all_runs()), keys.all_runs())
    by_run.pop(keys.HOUSEKEEPING, None)
    with ThreadPoolExecutor(THREADS) as pool:
        return tuple(pool.map(in_context(partial(_read_run, store)), by_run.items()))


def _read_run(store: Store, found: tuple[str, tuple[Entry, ...]]) -> Run:
    key, entries = found
    try:
        state, etag = read_record(store, keys.run_state(key), RunState)
    except NotInStore:
        return Run(key, entries, stored_spec=find_record(store, keys.run_spec(key), TrainingSpec))
    stored_spec = None if state.model else find_record(store, keys.run_spec(key), TrainingSpec)
    return Run(key, entries, state, etag, stored_spec)


class ImagesInUse:
    """The images of snapshots. Each manifest is read once, since it never changes."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._read: set[str] = set()
        self._images: set[str] = set()

    def of(self, digests: Iterable[str]) -> set[str]:
        """SHA-256 of all images of these snapshots, and of those that were asked for before.

        Raises:
            CorruptObject: a manifest cannot be read, so which images it needs is unknown.
        """
        for digest in set(digests) - self._read:
            try:
                self._images |= {image.sha256 for image in load_snapshot(self._store, digest).images}
            except NotInStore:
                continue  # a lifecycle rule or a person removed it
            self._read.add(digest)
        return self._images
