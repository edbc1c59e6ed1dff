"""Leases, checkpoints and finished runs, against a real server."""

import logging
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from tasks.errors import LeaseHeld, TrainingStopped, WorkerLost
from tasks.records import CheckpointManifest, RunState, StoredFile, TrainedModel, TrainingResult, TrainingSpec
from tasks.settings import StoreSettings
from tasks.storage import keys
from tasks.storage.checkpoints import delete_checkpoints, prune_checkpoints, restore_checkpoint, save_checkpoint
from tasks.storage.documents import read_record
from tasks.storage.leases import hold_lease
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tests.fakes.bad_store import BUCKET, BadStore
from tests.fakes.slow_link import SlowLink

RUN = "a" * 64
SHA = "b" * 64
NAMES = ["last.ckpt", "best.safetensors", "history.jsonl"]


def state_of(store: Store) -> RunState:
    return read_record(store, keys.run_state(RUN), RunState)[0]


def wait_until(holds) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def later(seconds: float):
    return lambda: datetime.now(UTC) + timedelta(seconds=seconds)


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


def test_a_lease_excludes_others_until_its_block_ends(store):
    with hold_lease(store, RUN, "first", 60) as lease:
        assert state_of(store).status == "running"
        with pytest.raises(LeaseHeld, match=r"another run works on this, first, at least until 20.* UTC; wait"):
            hold_lease(store, RUN, "second", 60)
        lease.report(3)
    assert (state_of(store).status, state_of(store).epochs_done) == ("released", 3)
    assert not lease.lost.is_set()
    with pytest.raises(TrainingStopped), hold_lease(store, RUN, "second", 60):
        raise TrainingStopped("as asked")
    assert (state_of(store).status, state_of(store).owner, state_of(store).epochs_done) == ("released", "second", 3)


def test_an_owner_may_take_its_own_lease_again(store):
    hold_lease(store, RUN, "first", 60)
    hold_lease(store, RUN, "first", 60)


def test_an_expired_lease_is_free_and_its_late_owner_notices(store):
    first = hold_lease(store, RUN, "first", 4)
    with hold_lease(store, RUN, "second", 60, clock=later(5)):
        with first:
            assert first.lost.wait(3)
        assert state_of(store).owner == "second"
    assert state_of(store).status == "released"


def test_one_of_several_concurrent_owners_gets_the_lease(store):
    start, leases = threading.Barrier(8), []

    def take(owner: str) -> None:
        start.wait()
        with suppress(LeaseHeld):
            leases.append(hold_lease(store, RUN, owner, 60))

    threads = [threading.Thread(target=take, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leases) == 1


def test_a_lease_renews_itself(store):
    with hold_lease(store, RUN, "first", 2) as lease:
        time.sleep(3)
        with pytest.raises(LeaseHeld):
            hold_lease(store, RUN, "second", 60)
        assert not lease.lost.is_set()


def test_reported_epochs_are_written_soon(store):
    with hold_lease(store, RUN, "first", 60) as lease:
        lease.report(7)
        wait_until(lambda: state_of(store).epochs_done == 7)


def test_a_lease_expires_in_time_while_a_renewal_hangs(store_settings):
    with SlowLink(store_settings.endpoint, pass_bytes=4000) as link:
        store = Store(store_settings.model_copy(update={"endpoint": link.endpoint}))
        with hold_lease(store, RUN, "first", 1.5) as lease:
            assert link.stalled.wait(20)
            assert lease.lost.wait(3)


def test_a_renewal_whose_answer_was_lost_does_not_lose_the_lease():
    with BadStore() as bad_store:
        settings = StoreSettings(
            endpoint=bad_store.endpoint, bucket=BUCKET, access_key_id="k", secret_access_key=SecretStr("s")
        )
        store = Store(settings)
        with hold_lease(store, RUN, "first", 60) as lease:
            # Carried out but not answered, and the two repetitions find the store busy.
            bad_store.drop_answers, bad_store.next_answers = 1, [None, (503, "SlowDown"), (503, "SlowDown")]
            lease.report(1)
            wait_until(lambda: not bad_store.next_answers)
            lease.report(2)
            wait_until(lambda: state_of(store).epochs_done == 2)
            assert not lease.lost.is_set()
        assert state_of(store).status == "released"


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


@pytest.fixture
def model():
    spec = TrainingSpec(
        snapshot_digest=SHA,
        classes=("a",),
        variant="s",
        epochs=1,
        image_size=64,
        batch_size=1,
        learning_rate=1e-3,
        patience=1,
        seed=0,
    )
    result = TrainingResult(
        run_key=spec.digest,
        epochs_done=1,
        best_epoch=1,
        best_map=0.5,
        ended="epochs",
        seconds=1,
        images_per_second=1,
        weights_sha256=SHA,
        resumed_from_epoch=None,
        device="cpu",
    )
    file = StoredFile(key="x", sha256=SHA, size=1)
    return TrainedModel(run_key=spec.digest, spec=spec, result=result, weights=file, history=file)


def test_a_finished_run_keeps_its_model(store, model):
    key = model.run_key

    def stopped_before_it_was_recorded():
        with hold_lease(store, key, "first", 60) as lease:
            lease.finish(model)
            raise TrainingStopped("as asked")

    with pytest.raises(TrainingStopped):
        stopped_before_it_was_recorded()
    assert find_model(store, key) is None
    with hold_lease(store, key, "first", 60) as lease:
        lease.finish(model)
    assert find_model(store, key) == model
    # Whoever takes the lease of a finished run keeps its model.
    with hold_lease(store, key, "second", 60):
        assert find_model(store, key) == model
    state = read_record(store, keys.run_state(key), RunState)[0]
    assert (state.status, state.model) == ("finished", model)


def test_a_worker_that_lost_the_lease_cannot_record_a_model(store, model):
    lease = hold_lease(store, model.run_key, "first", 4)
    hold_lease(store, model.run_key, "second", 60, clock=later(5))

    def finish_late():
        with lease:
            lease.finish(model)
            assert lease.lost.wait(3)

    with pytest.raises(WorkerLost, match="its lease was lost"):
        finish_late()
    assert find_model(store, model.run_key) is None
