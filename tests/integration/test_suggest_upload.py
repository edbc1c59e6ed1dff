"""Sending images with the real package to a fake server, which misbehaves as Roboflow and networks do."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.errors import BadInput, BadRequest, BadSettings, RoboflowRefused, RoboflowUnavailable
from tasks.storage import keys
from tests.fakes.roboflow_misbehaviour import Misbehaviour
from tests.fakes.roboflow_project import PROJECT, WORKSPACE
from tests.fakes.roboflow_server import KEY, RoboflowServer
from tests.fakes.sender import OBJECTS, send

ROOT = Path(__file__).parents[2]
SAFE_BATCH = "nasflow-pets-3"


@pytest.fixture(autouse=True)
def no_secret_shown(caplog, capfd):
    """Whatever a test does, no log line of any library and nothing printed shows the key."""
    caplog.set_level(logging.DEBUG)
    yield
    printed = capfd.readouterr()
    assert KEY not in caplog.text + printed.out + printed.err


@pytest.fixture
def trouble():
    return Misbehaviour()


@pytest.fixture
def server(trouble, monkeypatch):
    with RoboflowServer(b"", trouble) as server:
        values = {"API_KEY": KEY, "API_URL": server.url, "TIMEOUT": "2", "DEADLINE": "30"}
        for name, value in values.items():
            monkeypatch.setenv(f"NASFLOW_ROBOFLOW_{name}", value)
        yield server


@pytest.fixture
def out(tmp_path):
    """Three images, as a choice has published them."""
    (tmp_path / "out" / "images").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "out" / "images" / f"n{number}.jpg").write_bytes(b"image %d" % number)
    return tmp_path / "out"


def counts(document):
    return document["sent"], document["there_already"]


def assert_all_there_once(server):
    """All three images with their bytes, each with the box above the threshold as a prediction, and none as truth."""
    assert {one.content for one in server.received.values()} == {b"image %d" % number for number in range(3)}
    for one in server.received.values():
        assert one.labels is None
        assert [box["score"] for box in one.predictions["annotations"]] == [0.6]
        assert one.predictions["categories"] == [{"id": 1, "name": "dog"}]
        assert one.predictions["images"][0]["file_name"] == one.name


def assert_fails(error, match, call):
    """The call raises in one line, and nothing in the chain of exceptions shows the key."""
    with pytest.raises(error, match=match) as caught:
        call()
    exception = caught.value
    while exception is not None:
        assert KEY not in f"{exception!r} {exception.args}"
        assert "\n" not in str(exception)
        exception = exception.__cause__ or exception.__context__


def test_images_arrive_with_their_boxes_as_predictions_whatever_their_names_are(server, out):
    document = send(out)
    assert document == {
        "workspace": WORKSPACE, "project": PROJECT, "batch": SAFE_BATCH, "sent": 3, "there_already": 0,
    }  # fmt: skip
    assert_all_there_once(server)
    assert {batch for one in server.received.values() for batch in one.batches} == {SAFE_BATCH}


def test_an_image_without_boxes_is_sent_alone(server, out):
    assert counts(send(out, objects=OBJECTS[1:])) == (3, 0)
    assert [one.predictions for one in server.received.values()] == [None] * 3
    assert server.requests[f"/dataset/{PROJECT}/upload"] == 3 == sum(server.requests.values()) - 1


def test_an_image_with_an_exif_rotation_is_sent_without_boxes(server, out):
    assert counts(send(out, rotated=True)) == (3, 0)
    assert [one.predictions for one in server.received.values()] == [None] * 3


def test_what_was_sent_is_not_sent_again(server, out):
    send(out)
    before = server.requests.copy()
    assert counts(send(out)) == (0, 0)
    assert server.requests - before == {f"/{WORKSPACE}/{PROJECT}": 1}


def test_what_the_project_has_is_counted_and_its_labels_stay(server, out, tmp_path):
    send(out)
    for one in server.received.values():
        one.labels, one.predictions = {"by": "a person"}, None
    (out / "sent").rename(tmp_path / "elsewhere")
    assert counts(send(out)) == (0, 3)
    assert [(one.labels, one.predictions) for one in server.received.values()] == [({"by": "a person"}, None)] * 3


@pytest.mark.parametrize("fault", [429, 500, 503, 408, "cut", "hang", "lost"])
@pytest.mark.parametrize("request_number", [0, 1])
def test_a_fault_that_passes_is_tried_again(server, trouble, out, fault, request_number):
    trouble.uploads += ["well"] * request_number + [fault]
    assert sum(counts(send(out))) == 3
    assert_all_there_once(server)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (400, r"HTTP 400 \(no: .*\); it does not take"),
        (402, r"HTTP 402 \(no: .*\); the workspace's plan"),
        (403, r"HTTP 403 \(no: .*\); check NASFLOW_ROBOFLOW_API_KEY"),
        (409, r"the answer is no success \(no: .*\); it does not"),
        (423, r"HTTP 423 \(no: .*\); the workspace's billing"),
        ("no", r"the answer is no success( \(not now: .*\))?; it does not"),
    ],
)
@pytest.mark.parametrize("request_number", [2, 3])
def test_a_no_names_the_image_and_the_rest_is_sent_by_the_same_again(
    server, trouble, out, fault, words, request_number
):
    trouble.uploads += ["well"] * request_number + [fault]
    assert_fails(RoboflowRefused, rf"project acme/pets, upload of day #1/n1.jpg.*: {words}", lambda: send(out))
    assert len(list((out / "sent" / WORKSPACE / PROJECT).glob("*.json"))) == 1
    assert sum(counts(send(out))) == 2
    assert_all_there_once(server)


def test_an_outage_that_stays_is_given_up(server, trouble, out):
    trouble.uploads += [500] * 5
    assert_fails(RoboflowUnavailable, r"upload of day #1/n0.jpg: HTTP 500.*\(5 attempts\)", lambda: send(out))
    assert counts(send(out)) == (3, 0)


@pytest.mark.parametrize(
    ("upload", "error", "words"),
    [
        ("pets", BadRequest, "--upload pets: give WORKSPACE/PROJECT"),
        ("acme/pets/3", BadRequest, "give WORKSPACE/PROJECT"),
        ("acme/p#ts", BadRequest, "cannot be"),
        ("other/pets", RoboflowRefused, "project other/pets: HTTP 404"),
    ],
)
def test_a_project_that_cannot_be_is_refused_before_anything_is_sent(server, out, upload, error, words):
    assert_fails(error, words, lambda: send(out, upload=upload))
    assert server.received == {}


def test_without_a_key_nothing_is_asked(server, out, monkeypatch):
    monkeypatch.setenv("NASFLOW_ROBOFLOW_API_KEY", "")
    assert_fails(BadSettings, "NASFLOW_ROBOFLOW_API_KEY is empty", lambda: send(out))
    assert not server.requests


def test_a_wrong_key_is_not_shown(server, out, monkeypatch):
    wrong = "rf_Wrong9Key9"
    monkeypatch.setenv("NASFLOW_ROBOFLOW_API_KEY", wrong)
    with pytest.raises(RoboflowRefused, match="check NASFLOW_ROBOFLOW_API_KEY") as caught:
        send(out)
    assert wrong not in str(caught.value)


def test_a_damaged_record_is_named(server, out):
    send(out)
    record = next((out / "sent" / WORKSPACE / PROJECT).glob("*.json"))
    record.write_text("{")
    with pytest.raises(BadInput, match=rf"{record.name}: not the record of a sent image: .*delete it") as caught:
        send(out)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("request_number", [0, 1, 2, 3])
def test_after_a_kill_between_sending_and_remembering_each_image_is_there_once(server, trouble, out, request_number):
    trouble.uploads += ["well"] * request_number + ["hang"]
    command = [sys.executable, "-m", "tests.fakes.sender", str(out)]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "NASFLOW_ROBOFLOW_TIMEOUT": "60"}) as process:
        assert server.stalled.wait(120)
        process.send_signal(signal.SIGKILL)
    assert len(list(out.glob("sent/*/*/*.json"))) == request_number // 2
    document = send(out)
    assert sum(counts(document)) == 3 - request_number // 2
    # What was done, and not remembered, is there already.
    assert document["there_already"] == 1
    assert_all_there_once(server)


def test_the_store_remembers_for_all_machines(server, store, out, tmp_path):
    assert counts(send(out, store)) == (3, 0)
    assert len(store.list(keys.sent_images(WORKSPACE, PROJECT))) == 3
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (out / "images").rename(elsewhere / "images")
    assert counts(send(elsewhere, store)) == (0, 0)
    assert not (out / "sent").exists()
    record = json.loads(store.get(store.list(keys.sent_images(WORKSPACE, PROJECT))[0])[0])
    assert (record["batch"], record["outcome"]) == (SAFE_BATCH, "sent")
