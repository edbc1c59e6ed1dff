"""``nasflow relabel`` with a real store, and the real package against a fake Roboflow, which misbehaves as asked."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deployments.offline.relabel import relabel
from tasks.errors import BadInput, RoboflowRefused, RoboflowUnavailable
from tasks.records import LabelSource
from tasks.storage import keys
from tests.fakes.html import Page
from tests.fakes.roboflow_misbehaviour import Misbehaviour
from tests.fakes.roboflow_project import PROJECT, WORKSPACE
from tests.fakes.roboflow_server import KEY, Received, RoboflowServer
from tests.fakes.suspected_labels import FROM_FILE, FROM_ROBOFLOW, publish_with_errors

UPLOAD = f"{WORKSPACE}/{PROJECT}"
TAG = "nasflow-relabel-pets-1"
EXPORTED = ("My-image-1-_JPG.rf.0a1b.jpg", "cow_png.rf.2c3d.jpg")
IN_PROJECT = ("My image (1).JPG", "cow.png")
BY_A_PERSON = {"by": "a person"}
NASFLOW = str(Path(sys.executable).with_name("nasflow"))


@pytest.fixture
def trouble():
    return Misbehaviour()


@pytest.fixture
def server(trouble, store_environment, monkeypatch):
    """A project with the images that were exported, and two more; all were labelled by a person."""
    with RoboflowServer(b"", trouble) as server:
        values = {"API_KEY": KEY, "API_URL": server.url, "TIMEOUT": "2", "DEADLINE": "30"}
        for name, value in values.items():
            monkeypatch.setenv(f"NASFLOW_ROBOFLOW_{name}", value)
        for name, value in store_environment.items():
            monkeypatch.setenv(name, value)
        for number, name in enumerate((*IN_PROJECT, "other.png", "cow.jpeg")):
            server.received[f"id{number}"] = Received(name, b"larger %d" % number, [], labels=dict(BY_A_PERSON))
        yield server
    for one in list(server.received.values())[:4]:
        assert (one.labels, one.predictions, one.batches) == (BY_A_PERSON, None, []), "labels of people stay"


@pytest.fixture
def from_roboflow(store, tmp_path):
    return publish_with_errors(store, tmp_path, EXPORTED, FROM_ROBOFLOW)


def tagged(server):
    return [one.name for one in server.received.values() if one.tags]


def test_the_gallery_has_each_image_once_with_all_that_is_suspected_and_sends_nothing(server, from_roboflow, tmp_path):
    document = relabel("pets", tmp_path / "out", 50)
    assert (document["ok"], document["model"], document["images"], document["chosen"]) == (True, "pets/1", 2, 2)
    assert (document["errors"], document["returned"]) == (4, None)
    assert server.requests == {}
    content = json.loads((tmp_path / "out" / "relabel.json").read_text())
    assert {one["image"] for one in content["images"]} == set(EXPORTED)
    for one in content["images"]:
        errors = [(error["kind"], error["found"], error["labelled"]) for error in one["errors"]]
        assert sorted(errors) == [("missing label", "disc", None), ("wrong class", "square", "disc")]
        with Image.open(tmp_path / "out" / one["file"]) as drawn:
            assert (drawn.format, max(drawn.size)) == ("JPEG", 640)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "out" / "suspected_errors.csv").read_text())))
    assert sorted(row["file_name"] for row in rows) == sorted([*EXPORTED, *EXPORTED])
    page = Page((tmp_path / "out" / "index.html").read_text())
    assert page.values("img", "src") == page.values("a", "href")[:2] == [one["file"] for one in content["images"]]
    assert page.scripts == []
    assert page.text.count("not labelled: disc? (score 0.90)") == 2
    assert page.text.count("labelled disc: square? (score 0.90)") == 2


def test_labels_are_blue_and_detections_orange(server, from_roboflow, tmp_path):
    relabel("pets", tmp_path / "out", 1)
    with Image.open(next((tmp_path / "out" / "images").iterdir())) as drawn:
        pixels = np.asarray(drawn.convert("RGB"), dtype=int)
    near = {
        name: np.count_nonzero(abs(pixels - colour).max(axis=2) < 30)
        for name, colour in {"label": (0x4E, 0x9A, 0xF1), "detection": (0xF2, 0x8E, 0x2B)}.items()
    }
    assert min(near.values()) > 500, near


def test_images_of_the_project_are_tagged_by_their_names_and_none_is_sent(server, from_roboflow, tmp_path):
    document = relabel("pets", tmp_path / "out", 50, UPLOAD)
    returned = document["returned"]
    assert (document["ok"], returned["tag"], sorted(returned["tagged"])) == (True, TAG, sorted(EXPORTED))
    assert (returned["sent"], returned["not_returned"]) == ([], [])
    assert {one.name: one.tags for one in server.received.values() if one.tags} == {name: {TAG} for name in IN_PROJECT}
    assert len(server.received) == 4


def test_labels_that_a_search_found_are_from_the_project_too(server, store, tmp_path):
    searched = LabelSource(kind="roboflow", name=f"{UPLOAD}, search tag:reviewed")
    publish_with_errors(store, tmp_path, ["cow.png", "unknown.png"], searched)
    returned = relabel("pets", tmp_path / "out", 50, UPLOAD)["returned"]
    assert (returned["tagged"], returned["sent"]) == (["cow.png"], [])
    assert [one["image"] for one in returned["not_returned"]] == ["unknown.png"]


def test_what_was_given_back_is_not_given_back_again_until_its_labels_change(server, from_roboflow, store, tmp_path):
    first = relabel("pets", tmp_path / "out", 1, UPLOAD)
    assert (first["chosen"], first["returned_before"], first["beyond_the_budget"]) == (1, 0, 1)
    second = relabel("pets", tmp_path / "out", 1, UPLOAD)
    assert (second["chosen"], second["returned_before"]) == (1, 1)
    before = server.requests.copy()
    third = relabel("pets", tmp_path / "out", 1, UPLOAD)
    assert (third["chosen"], third["returned_before"]) == (0, 2)
    assert server.requests - before == {f"/{WORKSPACE}/{PROJECT}": 1}
    changed = first["returned"]["tagged"][0]
    publish_with_errors(store, tmp_path, EXPORTED, FROM_ROBOFLOW, relabelled=frozenset({changed}))
    fourth = relabel("pets/2", tmp_path / "out", 50, UPLOAD)
    assert (fourth["returned"]["tagged"], fourth["returned_before"]) == ([changed], 1)


def test_images_that_are_missing_or_not_the_only_one_of_a_name_are_named_and_not_sent(server, from_roboflow, tmp_path):
    del server.received["id0"]
    server.received["again"] = Received("cow.png", b"other", [], labels=dict(BY_A_PERSON))
    document = relabel("pets", tmp_path / "out", 50, UPLOAD)
    assert document["ok"] is False
    why = {one["image"]: one["why"] for one in document["returned"]["not_returned"]}
    assert why == {
        EXPORTED[0]: "no image of the project has this name", EXPORTED[1]: "2 images of the project have this name"
    }  # fmt: skip
    assert tagged(server) == []
    server.received["id0"] = Received(IN_PROJECT[0], b"found again", [], labels=dict(BY_A_PERSON))
    assert relabel("pets", tmp_path / "out", 50, UPLOAD)["returned"]["tagged"] == [EXPORTED[0]]


def test_images_of_other_labels_are_sent_with_the_models_boxes_as_predictions_and_tagged(server, store, tmp_path):
    publish_with_errors(store, tmp_path, ["cow.png", "a #1 50%?.png"], FROM_FILE)
    document = relabel("pets", tmp_path / "out", 50, UPLOAD)
    assert sorted(document["returned"]["sent"]) == ["a #1 50%?.png", "cow.png"]
    new = list(server.received.values())[4:]
    assert len(new) == 2
    for one in new:
        assert (one.labels, one.tags) == (None, {TAG})
        assert sorted(box["score"] for box in one.predictions["annotations"]) == [0.9, 0.9]
        assert {category["name"] for category in one.predictions["categories"]} == {"disc", "square"}
        assert one.content.startswith(b"\x89PNG")
        assert one.name.endswith(".png")


def test_an_image_of_other_labels_that_the_project_has_by_content_is_tagged_and_keeps_its_labels(
    server, store, tmp_path
):
    publish_with_errors(store, tmp_path, ["new.png"], FROM_FILE)
    relabel("pets", tmp_path / "out", 50, UPLOAD)
    (sent,) = list(server.received.values())[4:]
    sent.labels, sent.predictions, sent.tags = dict(BY_A_PERSON), None, set()
    store.delete(store.list(keys.returned_images(WORKSPACE, PROJECT)))
    assert relabel("pets", tmp_path / "out", 50, UPLOAD)["returned"]["tagged"] == ["new.png"]
    assert (sent.labels, sent.predictions, sent.tags) == (BY_A_PERSON, None, {TAG})


def test_an_exported_image_in_labels_from_a_file_is_found_in_the_project(server, store, tmp_path):
    publish_with_errors(store, tmp_path, [EXPORTED[1]], FROM_FILE)
    assert relabel("pets", tmp_path / "out", 50, UPLOAD)["returned"]["tagged"] == [EXPORTED[1]]
    assert tagged(server) == ["cow.png"]


@pytest.mark.parametrize("pages", [[1, 1, 1, 1], [3], [2, 1]])
def test_pages_may_be_shorter_than_asked_for(server, trouble, from_roboflow, tmp_path, pages):
    trouble.search_pages += pages
    assert len(relabel("pets", tmp_path / "out", 50, UPLOAD)["returned"]["tagged"]) == 2


@pytest.mark.parametrize("fault", [429, 500, 503, 408, "cut", "hang", "lost"])
@pytest.mark.parametrize("request_number", [0, 1])
def test_a_fault_that_passes_is_tried_again(server, trouble, from_roboflow, tmp_path, fault, request_number):
    trouble.uploads += ["well"] * request_number + [fault]
    assert len(relabel("pets", tmp_path / "out", 50, UPLOAD)["returned"]["tagged"]) == 2
    assert sorted(tagged(server)) == sorted(IN_PROJECT)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"uploads": ["well", 403]}, RoboflowRefused, "tag of .*: HTTP 403 .*check NASFLOW_ROBOFLOW_API_KEY"),
        ({"uploads": ["well", 404]}, RoboflowRefused, "tag of .*: HTTP 404 .*the key needs the scope image:tag"),
        ({"uploads": ["well", "no"]}, RoboflowRefused, "tag of .*: the answer is no success"),
        ({"uploads": ["well", *[500] * 5]}, RoboflowUnavailable, "tag of .*: HTTP 500"),
        ({"search_pages": [1] * 9, "circle": True}, RoboflowRefused, "its images: the list goes in a circle"),
        ({"drop": "filename"}, RoboflowRefused, "its images: the answer lacks filename"),
        ({"drop": "results"}, RoboflowRefused, "its images: the answer lacks results"),
    ],
)
def test_a_no_is_told_without_the_key_and_the_same_command_goes_on(
    server, trouble, from_roboflow, tmp_path, changes, error, words
):
    for name, value in changes.items():
        setattr(trouble, name, value)
    with pytest.raises(error, match=words) as caught:
        relabel("pets", tmp_path / "out", 50, UPLOAD)
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)
    done = len(tagged(server))
    for name in changes:
        setattr(trouble, name, getattr(Misbehaviour(), name))
    document = relabel("pets", tmp_path / "out", 50, UPLOAD)
    assert (document["returned_before"], len(document["returned"]["tagged"])) == (done, 2 - done)


def test_without_the_report_in_the_store_it_says_so(server, from_roboflow, store, tmp_path):
    store.delete([key for key in store.list(keys.run(from_roboflow.run_key)) if key.endswith("/report.json")])
    with pytest.raises(BadInput, match="pets version 1: its report or labels are not in the store any more"):
        relabel("pets", tmp_path / "out", 50)


def test_the_command_prints_one_document_and_the_names_for_people(server, from_roboflow, tmp_path):
    del server.received["id0"]
    results = []
    for more in ([], ["--json"]):
        command = [NASFLOW, "relabel", "pets@champion", "--out", tmp_path / "out", "--upload", UPLOAD, *more]
        results.append(subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ))
    people, program = results
    assert (people.returncode, program.returncode) == (1, 1)
    assert "2 of 2 images with suspected label errors, pets/1" in people.stderr
    assert f"1 tagged in {UPLOAD}, 0 sent there and tagged" in people.stderr
    assert f"warning: not given back: {EXPORTED[0]}: no image of the project has this name" in people.stderr
    assert f"search tag:{TAG}" in people.stderr
    assert json.loads(program.stdout)["returned_before"] == 1
    assert KEY not in "".join(one.stdout + one.stderr for one in results)
