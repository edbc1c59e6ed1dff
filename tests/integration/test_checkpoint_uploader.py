"""Checkpoints on their way into a real store while training goes on."""

import threading
from contextlib import contextmanager, suppress

import pytest

from tasks.local.files import file_sha256
from tasks.storage import keys
from tasks.storage.checkpoints import restore_checkpoint
from tasks.training.checkpoint_uploader import CheckpointUploader
from tests.fakes.waiting import wait_for

RUN = "a" * 64


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


class Cancelled(BaseException):
    """What is raised when a flow run is cancelled."""


SAVED = ("last.ckpt", "history.jsonl")


def write_epoch(folder, epoch):
    """Write what a trainer has written after an epoch; returns the SHA-256 of its checkpoint event."""
    for name in ("history.jsonl", "best.safetensors", "last.ckpt"):
        temporary = folder / f".{name}"
        temporary.write_text(f"{name} {epoch}")
        temporary.replace(folder / name)
    return file_sha256(folder / "last.ckpt")


def restored(store, tmp_path):
    manifest = restore_checkpoint(store, RUN, tmp_path / "restored", SAVED)
    if manifest is None:
        return None
    assert set(manifest.files) == set(SAVED)
    return manifest.epochs_done, {path.name: path.read_text() for path in (tmp_path / "restored").iterdir()}


def epoch(number):
    return number, {name: f"{name} {number}" for name in SAVED}


@contextmanager
def stopped(store, folder, lost=None):
    """An uploader of a training run that is stopped before its end."""
    with suppress(Cancelled), CheckpointUploader(store, RUN, folder, lost or threading.Event()) as uploader:
        yield uploader
        raise Cancelled


def test_the_newest_checkpoint_is_uploaded_and_those_between_are_left_out(store, folder, tmp_path):
    with stopped(store, folder) as uploader:
        for number in range(1, 31):
            uploader.offer(number, write_epoch(folder, number))
    assert restored(store, tmp_path) == epoch(30)
    manifests = [key for key in store.list(keys.checkpoints(RUN)) if key.endswith("manifest.json")]
    assert len(manifests) <= 2
    assert not (folder / "spool").exists()


def test_a_waiting_checkpoint_is_not_uploaded_once_training_is_finished(store, folder, tmp_path):
    with CheckpointUploader(store, RUN, folder, threading.Event()) as uploader:
        uploader.offer(1, write_epoch(folder, 1))
        wait_for(lambda: restored(store, tmp_path) == epoch(1))
        uploader.offer(2, write_epoch(folder, 2))
    assert restored(store, tmp_path) == epoch(1)


def test_a_replaced_checkpoint_is_not_uploaded_under_the_old_epoch(store, folder, tmp_path):
    with stopped(store, folder) as uploader:
        old = write_epoch(folder, 1)
        write_epoch(folder, 2)
        uploader.offer(1, old)
    assert restored(store, tmp_path) is None


def test_a_missing_file_is_logged_and_the_next_checkpoint_is_uploaded(store, folder, tmp_path, caplog):
    with stopped(store, folder) as uploader:
        uploader.offer(1, "0" * 64)
        wait_for(lambda: "checkpoint of epoch 1 not sent, training goes on" in caplog.text)
        uploader.offer(2, write_epoch(folder, 2))
    assert restored(store, tmp_path) == epoch(2)


def test_nothing_is_uploaded_once_the_lease_is_lost(store, folder, tmp_path):
    lost = threading.Event()
    with stopped(store, folder, lost) as uploader:
        lost.set()
        uploader.offer(1, write_epoch(folder, 1))
    assert restored(store, tmp_path) is None
