"""Checkpoints of training runs, against a real server."""

import logging

import pytest

from tasks.records import CheckpointManifest
from tasks.storage import keys
from tasks.storage.checkpoints import delete_checkpoints, prune_checkpoints, restore_checkpoint, save_checkpoint

RUN = "a" * 64
NAMES = ["last.ckpt", "best.safetensors", "history.jsonl"]


@pytest.fixture
def folder(tmp_path):
    """A run's folder after its first epoch."""
    folder = tmp_path / "run"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_text(f"{name} 1")
    return folder


def next_epoch(folder, epoch):
    (folder / "last.ckpt").write_text(f"last.ckpt {epoch}")
    (folder / "history.jsonl").write_text(f"history.jsonl {epoch}")


def test_the_newest_checkpoint_is_restored(store, folder, tmp_path):
    assert restore_checkpoint(store, RUN, tmp_path / "restored", NAMES) is None
    for epoch in (1, 2):
        next_epoch(folder, epoch)
        saved = save_checkpoint(store, RUN, epoch, {name: folder / name for name in NAMES})
    restored = restore_checkpoint(store, RUN, tmp_path / "restored", [*NAMES, "not.there"])
    assert restored == saved
    assert restored.epochs_done == 2
    assert {path.name: path.read_text() for path in (tmp_path / "restored").iterdir()} == {
        "last.ckpt": "last.ckpt 2",
        "history.jsonl": "history.jsonl 2",
        "best.safetensors": "best.safetensors 1",
    }


def test_a_later_checkpoint_of_the_same_epoch_replaces_the_first(store, folder, tmp_path):
    save_checkpoint(store, RUN, 1, {"last.ckpt": folder / "last.ckpt"})
    (folder / "last.ckpt").write_text("later")
    save_checkpoint(store, RUN, 1, {"last.ckpt": folder / "last.ckpt"})
    restore_checkpoint(store, RUN, tmp_path / "restored", NAMES)
    assert (tmp_path / "restored" / "last.ckpt").read_text() == "later"


@pytest.mark.parametrize("damage", ["flipped", "gone", "manifest"])
def test_an_older_checkpoint_is_restored_when_the_newest_is_damaged(store, folder, tmp_path, caplog, damage):
    for epoch in (1, 2):
        next_epoch(folder, epoch)
        saved = save_checkpoint(store, RUN, epoch, {name: folder / name for name in NAMES})
    key = saved.files["last.ckpt"].key
    if damage == "flipped":
        sha256 = saved.files["last.ckpt"].sha256
        store._client.put_object(**store._address(key), Body=b"lAst.ckpt 2", Metadata={"sha256": sha256})
    elif damage == "gone":
        store.delete([key])
    else:
        store.put(keys.checkpoint_manifest(RUN, 2), b"{")
    with caplog.at_level(logging.WARNING):
        restored = restore_checkpoint(store, RUN, tmp_path / "restored", NAMES)
    assert restored is not None
    assert restored.epochs_done == 1
    assert (tmp_path / "restored" / "last.ckpt").read_text() == "last.ckpt 1"
    assert len([record for record in caplog.records if "skipped" in record.message]) == 1
    # The same epoch computed once more is whole again.
    save_checkpoint(store, RUN, 2, {name: folder / name for name in NAMES})
    restored = restore_checkpoint(store, RUN, tmp_path / "restored", NAMES)
    assert isinstance(restored, CheckpointManifest)
    assert restored.epochs_done == 2


def test_pruning_keeps_the_newest_checkpoints(store, folder, tmp_path):
    prune_checkpoints(store, RUN)
    for epoch in range(1, 6):
        next_epoch(folder, epoch)
        save_checkpoint(store, RUN, epoch, {name: folder / name for name in NAMES})
    prune_checkpoints(store, RUN, keep=2)
    remaining = store.list(keys.checkpoints(RUN))
    assert [key for key in remaining if key.endswith("manifest.json")] == [
        keys.checkpoint_manifest(RUN, epoch) for epoch in (4, 5)
    ]
    assert len(remaining) == 2 * (len(NAMES) + 1)
    restored = restore_checkpoint(store, RUN, tmp_path / "restored", NAMES)
    assert restored is not None
    assert restored.epochs_done == 5


def test_files_beside_the_newest_checkpoint_stay_until_all_are_deleted(store, folder):
    save_checkpoint(store, RUN, 1, {name: folder / name for name in NAMES})
    next_epoch(folder, 2)
    save_checkpoint(store, RUN, 1, {name: folder / name for name in NAMES})
    prune_checkpoints(store, RUN, keep=1)
    assert len(store.list(keys.checkpoints(RUN))) == len(NAMES) + 1 + 2
    delete_checkpoints(store, RUN)
    assert store.list(keys.run(RUN)) == []
