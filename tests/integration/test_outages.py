"""The store away for a while, for real: steps and the end of a training wait, and lose nothing."""

import logging
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from deployments.demo.cartoons import draw_export
from deployments.local_stack.seaweed import Seaweed
from tasks.errors import BadSettings, StillUnavailable
from tasks.labeling.in_store import check_to_store, export_to_store
from tasks.orchestration.retries import step
from tasks.outages import Patience
from tasks.records import RetrainRequest
from tasks.settings import RoboflowSettings, WorkSettings
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tasks.training.contract.events import EpochDone
from tasks.training.spec import plan
from tasks.training.training_in_store import train_in_store
from tests.fakes.lease_holders import holder
from tests.fakes.waiting import wait_for

SOON = Patience(limit=300, first_pause=0.1, longest_pause=1)

LONG_WAIT = """
import logging
from prefect.utilities.engine import capture_sigterm
from tasks.orchestration.retries import step
from tasks.outages import Patience
from tasks.storage.s3 import Store

logging.basicConfig(format="%(message)s")
store = Store.from_environment()
with capture_sigterm():
    try:
        step("read", Patience(limit=3600, first_pause=3600, longest_pause=3600))(lambda: store.get("x")).fn()
    except BaseException as error:
        print(type(error).__name__, flush=True)
        raise
"""


def test_a_step_waits_until_the_store_is_back(tmp_path, caplog):
    with Seaweed(tmp_path, bucket="mine") as server:
        store = Store(server.settings())
        store.put("x", b"1")
        read = step("read", SOON)(lambda: store.get("x")[0])
        server.stop()
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read.fn)
            wait_for(lambda: "the store is away since" in caplog.text)
            server.__enter__()  # from this thread, with which the server lives
            assert reading.result(300) == b"1"
    assert "no answer (EndpointConnectionError)" in caplog.text
    assert server.settings().secret_access_key.get_secret_value() not in caplog.text


def test_a_step_waits_until_there_is_room_on_the_disk(tmp_path, caplog):
    path, room = tmp_path / "file", tmp_path / "room"
    path.symlink_to("/dev/full")  # as a full disk answers

    def write():
        with path.open("wb", buffering=0) as file:
            file.write(b"1")

    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(step("write", SOON)(write).fn)
        wait_for(lambda: "the disk of this machine is full since" in caplog.text)
        room.touch()
        room.replace(path)
        writing.result(300)
    assert path.read_bytes() == b"1"
    assert "No space left on device; free some" in caplog.text


def test_a_store_that_stays_away_ends_the_step_with_one_line(store_settings):
    store = Store(store_settings.model_copy(update={"endpoint": "http://127.0.0.1:9"}))
    read = step("read", Patience(limit=0.2, first_pause=0.1))(lambda: store.get("x"))
    with pytest.raises(StillUnavailable, match=r"^read x at http://127\.0\.0\.1:9.*; waited 0 min for it in all"):
        read.fn()


def test_a_refusal_is_not_waited_for(store_settings, caplog):
    store = Store(store_settings.model_copy(update={"access_key_id": "nobody"}))
    with pytest.raises(BadSettings, match="InvalidAccessKeyId"):
        step("read", SOON)(lambda: store.get("x")).fn()
    assert "is away" not in caplog.text


def test_a_step_that_waits_can_be_cancelled(store_environment):
    environment = {**os.environ, **store_environment, "NASFLOW_STORE_ENDPOINT": "http://127.0.0.1:9"}
    command = [sys.executable, "-c", LONG_WAIT]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, text=True, stdout=pipe, stderr=pipe) as waiting:
        assert any("the store is away since" in line for line in waiting.stderr)
        waiting.send_signal(signal.SIGTERM)  # what a worker sends to a flow run that is cancelled
        assert waiting.stdout.read() == "TerminationSignal\n"


def test_a_finished_training_waits_with_its_model_and_is_not_trained_again(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    draw_export(tmp_path / "labels", 1, train=8, valid=2, test=2, size=64)
    request = RetrainRequest(
        project="pets", export=str(tmp_path / "labels"), epochs=2, image_size=64, batch_size=4, learning_rate=1e-3
    )
    with Seaweed(tmp_path / "store", bucket="mine") as server:
        store = Store(server.settings())
        fetched = export_to_store(store, request, RoboflowSettings, tmp_path / "scratch")
        job = plan(request, check_to_store(store, fetched, tmp_path / "scratch"), None)
        events: list[str] = []
        waited: list[bool] = []

        def stop_at_the_end(event):
            events.append(event.event)
            if isinstance(event, EpochDone) and event.epoch == 2:
                stopped.set()
                waited.append(away.wait(120))

        stopped, away = threading.Event(), threading.Event()
        settings = WorkSettings(work_dir=tmp_path / "work", lease_seconds=3600)
        with ThreadPoolExecutor(1) as pool:
            training = pool.submit(train_in_store, store, job, holder("worker"), settings, stop_at_the_end)
            assert stopped.wait(300)
            server.stop()
            away.set()
            wait_for(lambda: "the finished model is kept on this machine" in caplog.text)
            server.__enter__()
            model = training.result(300)
        assert find_model(store, job.spec.digest) == model
    assert waited == [True]
    assert events.count("started") == 1
