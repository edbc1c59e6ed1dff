"""Checkpoints of training runs in the store: content first, the manifest that makes one exist last."""

import logging
import shutil
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tasks.errors import CorruptObject, NotInStore
from tasks.records import CheckpointManifest, StoredFile
from tasks.storage import keys
from tasks.storage.documents import put_record, read_record
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)

_MANIFEST = "/manifest.json"


@dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint as a listing shows it."""

    epochs_done: int
    saved: datetime
    """By the store's clock."""


def save_checkpoint(store: Store, run_key: str, epochs_done: int, files: Mapping[str, Path]) -> CheckpointManifest:
    """Save a checkpoint. Only the holder of the run's lease may call this.

    A checkpoint of the same epoch, taken in the middle of it, is replaced.

    Args:
        store: The object store.
        run_key: Digest of the TrainingSpec.
        epochs_done: Whole epochs that the files hold.
        files: The file of every name in the run's folder. A name may be given to a newer file meanwhile.

    Returns:
        The checkpoint's manifest.

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
    """Fetch the newest checkpoint that is whole; older ones are tried when a newer one is damaged.

    Damaged objects are deleted, so that the same content can be saved under their keys again.

    Args:
        store: The object store.
        run_key: Digest of the TrainingSpec.
        folder: Where the files go, all of one checkpoint or none.
        names: Files to fetch; those that the checkpoint does not have are left out.

    Returns:
        The checkpoint's manifest, or None if there is no whole checkpoint.
    """
    wanted = list(names)
    folder.mkdir(parents=True, exist_ok=True)
    for _, manifest in reversed(_manifests(store, run_key)):
        temporary = folder / f".restore-{uuid.uuid4().hex}"
        try:
            files = [(name, manifest.files[name]) for name in wanted if name in manifest.files]
            for name, stored in files:
                _download(store, stored, temporary / name)
            for name, _ in files:
                (temporary / name).replace(folder / name)
        except (CorruptObject, NotInStore) as error:
            logger.warning("checkpoint of epoch %d skipped: %s", manifest.epochs_done, error)
        else:
            return manifest
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return None


def prune_checkpoints(store: Store, run_key: str, keep: int = 2) -> None:
    """Delete all but the newest checkpoints. Only the holder of the run's lease may call this.

    Args:
        store: The object store.
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


def delete_checkpoints(store: Store, run_key: str) -> None:
    """Delete all checkpoints of a finished run, which needs none any more."""
    _delete(store, store.list(keys.checkpoints(run_key)))


def list_checkpoints(store: Store, run_key: str) -> list[SavedCheckpoint]:
    """All checkpoints of a run, oldest first, by one listing: their manifests are not read."""
    return [
        SavedCheckpoint(int(entry.key.removesuffix(_MANIFEST).rpartition("/")[2]), entry.modified)
        for entry in store.entries(keys.checkpoints(run_key))
        if entry.key.endswith(_MANIFEST)
    ]


def newest_epoch(store: Store, run_key: str) -> int:
    """Whole epochs of the newest checkpoint; -1 if there is none."""
    return max((manifest.epochs_done for _, manifest in _manifests(store, run_key)), default=-1)


def newest_file(store: Store, run_key: str, name: str) -> StoredFile | None:
    """Find a file of the newest checkpoint that has it.

    Args:
        store: The object store.
        run_key: Digest of the TrainingSpec.
        name: Name of the file in the run's folder.

    Returns:
        The stored file, or None if no checkpoint has it.
    """
    files = [manifest.files[name] for _, manifest in _manifests(store, run_key) if name in manifest.files]
    return files[-1] if files else None


def _delete(store: Store, object_keys: list[str]) -> None:
    """Manifests first: what has no manifest does not exist."""
    store.delete(key for key in object_keys if key.endswith(_MANIFEST))
    store.delete(key for key in object_keys if not key.endswith(_MANIFEST))


def _manifests(store: Store, run_key: str) -> list[tuple[str, CheckpointManifest]]:
    """Key and content of every readable manifest, oldest first: epochs in keys have a fixed width."""
    manifests = []
    for key in store.list(keys.checkpoints(run_key)):
        if not key.endswith(_MANIFEST):
            continue
        try:
            manifests.append((key, read_record(store, key, CheckpointManifest)[0]))
        except (CorruptObject, NotInStore) as error:
            logger.warning("checkpoint skipped: %s", error)
    return manifests


def _download(store: Store, stored: StoredFile, path: Path) -> None:
    try:
        store.download(stored, path)
    except CorruptObject:
        # Its metadata still names the right SHA-256, so that an upload would take it for whole.
        store.delete([stored.key])
        raise
