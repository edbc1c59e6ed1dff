"""Leases of training runs, against a real server."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress

import pytest
from pydantic import SecretStr

from deployments.local_stack.seaweed import Seaweed
from tasks.errors import LeaseHeld, StoreUnavailable, TrainingStopped, WorkerLost
from tasks.records import RunState, StoredFile, TrainedModel, TrainingResult, TrainingSpec
from tasks.settings import StoreSettings
from tasks.storage import keys
from tasks.storage.documents import read_record
from tasks.storage.lease_watch import RunObservation
from tasks.storage.leases import hold_lease, wait_for_lease
from tasks.storage.runs import find_model
from tasks.storage.s3 import MULTIPART_BYTES, Store
from tests.fakes.bad_store import BUCKET, BadStore
from tests.fakes.lease_holders import holder
from tests.fakes.slow_link import SlowLink

RUN = "a" * 64
SHA = "b" * 64


def state_of(store):
    return read_record(store, keys.run_state(RUN), RunState)[0]


def wait_until(holds):
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def take(store, name, seconds=60, run_key=RUN):
    """The lease if it is free at the first look."""
    observation = RunObservation(run_key)
    observation.look(store)
    return hold_lease(store, observation, holder(name), seconds)


def test_a_lease_excludes_others_until_its_block_ends(store):
    with take(store, "first") as lease:
        assert state_of(store).status == "running"
        with pytest.raises(LeaseHeld, match="flow run first, attempt 1, a test works on this; unchanged for 0 s"):
            take(store, "second")
        lease.report(3)
    assert (state_of(store).status, state_of(store).epochs_done) == ("released", 3)
    assert not lease.lost.is_set()
    with pytest.raises(TrainingStopped), take(store, "second"):
        raise TrainingStopped("as asked")
    state = state_of(store)
    assert (state.status, state.holder.flow_run, state.epochs_done) == ("released", "second", 3)


def test_an_owner_may_take_its_own_lease_again(store):
    take(store, "first")
    take(store, "first")


def test_a_silent_lease_is_taken_and_its_late_owner_notices(store, caplog):
    caplog.set_level("INFO")
    first = take(store, "first", 3)
    with wait_for_lease(store, RUN, holder("second"), 60):
        with first:
            assert first.lost.wait(60)
        assert state_of(store).holder.flow_run == "second"
    assert state_of(store).status == "released"
    assert caplog.text.count("flow run first, attempt 1, a test works on this") == 1
    assert "its lease was lost to another, flow run second" in caplog.text


def test_one_of_several_concurrent_owners_gets_the_lease(store):
    start, leases = threading.Barrier(8), []

    def try_to_take(name):
        start.wait()
        with suppress(LeaseHeld):
            leases.append(take(store, name))

    threads = [threading.Thread(target=try_to_take, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(leases) == 1


def test_a_lease_renews_itself(store):
    with take(store, "first", 3) as lease:
        wait_until(lambda: state_of(store).renewals >= 8)
        assert not lease.lost.is_set()


def test_reported_epochs_are_written_soon(store):
    with take(store, "first") as lease:
        lease.report(7)
        wait_until(lambda: state_of(store).epochs_done == 7)


def test_whatever_is_written_to_the_run_asks_the_lease_first(store, tmp_path):
    """Objects and files, small and in parts, and deletions; reading is free."""
    lease = take(store, "first")
    (tmp_path / "small").write_bytes(b"x")
    (tmp_path / "large").write_bytes(bytes(MULTIPART_BYTES + 17))
    lease.store.put("note", b"1")
    lease.store.upload(tmp_path / "large", "before")
    lease.lost.set()
    writes = [
        lambda: lease.store.put("note", b"2"),
        lambda: lease.store.create("other", b"2"),
        lambda: lease.store.upload(tmp_path / "small", "small"),
        lambda: lease.store.upload(tmp_path / "large", "large"),
        lambda: lease.store.delete(["note"]),
    ]
    for write in writes:
        with pytest.raises(WorkerLost, match="this one stops"):
            write()
    assert lease.store.get("note")[0] == b"1"
    assert sorted(store.list("")) == sorted(["note", "before", keys.run_state(RUN)])


def test_a_renewal_that_hangs_lets_training_go_on_and_nothing_be_written(store_settings):
    with SlowLink(store_settings.endpoint, pass_bytes=8000) as link:
        store = Store(store_settings.model_copy(update={"endpoint": link.endpoint}))
        with take(store, "first", 3) as lease:
            assert link.stalled.wait(60)
            time.sleep(3)
            lease.check()
            with pytest.raises(StoreUnavailable):
                lease.confirm()
            assert not lease.lost.is_set()


def test_a_renewal_whose_answer_was_lost_does_not_lose_the_lease():
    with BadStore() as bad_store:
        settings = StoreSettings(
            endpoint=bad_store.endpoint, bucket=BUCKET, access_key_id="k", secret_access_key=SecretStr("s")
        )
        store = Store(settings)
        with take(store, "first") as lease:
            # Carried out but not answered, and the next one finds the store busy.
            bad_store.drop_answers, bad_store.next_answers = 1, [None, (503, "SlowDown")]
            lease.report(1)
            wait_until(lambda: not bad_store.drop_answers)
            lease.report(2)
            wait_until(lambda: state_of(store).epochs_done == 2)
            assert not lease.lost.is_set()
        assert state_of(store).status == "released"


@contextmanager
def process_with_lease(environment, seconds):
    """A process that holds the lease, and a function that has it write an object and gives its answer."""
    command = [sys.executable, "-m", "tests.fakes.lease_holders", RUN, str(seconds)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **environment}
    )
    try:
        assert process.stdout.readline() == "holding\n"
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


def ask_to_write(process, name):
    process.stdin.write(f"{name}\n")
    process.stdin.flush()


def test_a_process_that_was_stopped_for_too_long_steps_down_and_writes_nothing_more(store, store_environment):
    with process_with_lease(store_environment, 3) as process:
        ask_to_write(process, "one")
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGSTOP)
        ask_to_write(process, "two")  # the first thing that it does when it goes on
        with wait_for_lease(store, RUN, holder("second"), 60):
            process.send_signal(signal.SIGCONT)
            assert process.stdout.readline().startswith("lost: ")
            assert process.wait(60) == 0
            assert state_of(store).holder.flow_run == "second"
    assert store.list(keys.run(RUN)) == [f"{keys.run(RUN)}one", keys.run_state(RUN)]


def test_a_process_that_was_stopped_goes_on_if_nobody_took_the_lease(store, store_environment):
    with process_with_lease(store_environment, 3) as process:
        process.send_signal(signal.SIGSTOP)
        ask_to_write(process, "one")
        time.sleep(4)
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == "written\n"


def test_after_a_store_was_away_for_longer_than_the_lease_its_holder_goes_on(tmp_path):
    seaweed = Seaweed(tmp_path / "seaweed")
    taken = []

    with seaweed:
        store = Store(seaweed.settings())

        def wait_and_note():
            with wait_for_lease(store, RUN, holder("second"), 9) as lease:
                taken.append(lease)

        second = threading.Thread(target=wait_and_note)
        with take(store, "first", 9) as lease:
            second.start()
            wait_until(lambda: state_of(store).renewals >= 2)
            seaweed.stop()
            time.sleep(20)
            lease.check()
            with pytest.raises(StoreUnavailable):
                lease.store.put("note", b"x")
            seaweed.__enter__()
            before = state_of(store).renewals
            wait_until(lambda: state_of(store).renewals >= before + 5)
            lease.store.put("note", b"x")
            assert (lease.lost.is_set(), taken) == (False, [])
        second.join(120)
        assert state_of(store).holder.flow_run == "second"
    assert len(taken) == 1


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
        with take(store, "first", run_key=key) as lease:
            lease.finish(model)
            raise TrainingStopped("as asked")

    with pytest.raises(TrainingStopped):
        stopped_before_it_was_recorded()
    assert find_model(store, key) is None
    with take(store, "first", run_key=key) as lease:
        lease.finish(model)
    assert find_model(store, key) == model
    # Whoever takes the lease of a finished run keeps its model.
    with take(store, "second", run_key=key):
        assert find_model(store, key) == model
    state = read_record(store, keys.run_state(key), RunState)[0]
    assert (state.status, state.model) == ("finished", model)


def test_a_worker_that_lost_the_lease_cannot_record_a_model(store, model):
    lease = take(store, "first", 3, model.run_key)
    wait_for_lease(store, model.run_key, holder("second"), 60)

    def finish_late():
        with lease:
            lease.finish(model)
            assert lease.lost.wait(60)

    with pytest.raises(WorkerLost, match="its lease was lost"):
        finish_late()
    assert find_model(store, model.run_key) is None
