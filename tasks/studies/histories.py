"""How far a training run is: the best mAP so far by epoch, from the history of its model or of its checkpoint."""

import hashlib

from tasks.errors import CorruptObject, NotInStore
from tasks.records import EpochResult, StoredFile
from tasks.storage.checkpoints import newest_file
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store

HISTORY = "history.jsonl"
"""Name of the history in a checkpoint."""


def best_maps(store: Store, run_key: str) -> dict[int, float]:
    """Read how far a run is.

    Args:
        store: Store of the run.
        run_key: Digest of the TrainingSpec.

    Returns:
        The best mAP on the valid split up to each epoch; empty before the first checkpoint is in the store.

    Raises:
        CorruptObject: the history is damaged.
    """
    model = find_model(store, run_key)
    stored = model.history if model else newest_file(store, run_key, HISTORY)
    if stored is None:
        return {}
    try:
        lines = _read(store, stored)
    except NotInStore:
        return {}  # a newer checkpoint took its place just now
    maps, best = {}, 0.0
    for epoch in map(EpochResult.model_validate_json, lines):
        best = max(best, epoch.map)
        maps[epoch.epoch] = best
    return maps


def _read(store: Store, stored: StoredFile) -> list[str]:
    data, _ = store.get(stored.key)
    if hashlib.sha256(data).hexdigest() != stored.sha256:
        raise CorruptObject(f"{stored.key}: not what was stored; delete it")
    return data.decode().splitlines()
