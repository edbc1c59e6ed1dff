"""``nasflow suggest`` with a trained network, a real store, and the real package against a fake Roboflow."""

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.local.dataset_folder import image_path
from tasks.storage.datasets import save_snapshot
from tests.fakes.datasets import draw
from tests.fakes.exported import THRESHOLD
from tests.fakes.published import publish_one
from tests.fakes.roboflow_project import PROJECT, WORKSPACE
from tests.fakes.roboflow_server import KEY, RoboflowServer

NASFLOW = str(Path(sys.executable).with_name("nasflow"))
LABELLED, NEW = 3, 5


@pytest.fixture(scope="module")
def pool(exported, tmp_path_factory):
    """Images that were trained on, new ones, one twice at another quality, and one that is none."""
    folder = tmp_path_factory.mktemp("pool")
    for image in exported.snapshot.of_split("train")[:LABELLED]:
        (folder / f"labelled-{image.file_name}").write_bytes(image_path(exported.data, image).read_bytes())
    for number in range(NEW):
        (folder / f"new #{number}.png").write_bytes(draw(("new", number), 64, 2)[0])
    soft = np.random.default_rng(1).integers(0, 256, (7, 8, 3), np.uint8)
    clouds = Image.fromarray(soft).resize((300, 200), Image.Resampling.BICUBIC)
    clouds.save(folder / "clouds.png")
    clouds.resize((240, 160)).save(folder / "clouds-again.jpg", quality=90)
    (folder / "text.jpg").write_text("no image")
    (folder / "notes.txt").write_text("neither image nor video")
    return folder


@pytest.fixture
def nasflow(tmp_path):
    """Run the command; gives its exit code and its document."""

    def nasflow(*arguments, **variables):
        environment = {**os.environ, "HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1", **variables}
        command = [NASFLOW, "suggest", *map(str, arguments), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert "Traceback" not in done.stderr
        assert KEY not in done.stderr + done.stdout
        return done.returncode, json.loads(done.stdout)

    return nasflow


@pytest.fixture
def published(exported, store, tmp_path):
    """The model with its labels in a store."""
    images = {image.sha256: image_path(exported.data, image) for image in exported.snapshot.images}
    save_snapshot(store, exported.snapshot, images)
    (tmp_path / "published").mkdir()
    formats = {"onnx": (exported.out / "model.onnx").read_bytes()}
    return publish_one(store, tmp_path / "published", formats, snapshot=exported.snapshot.digest)


def test_a_file_of_a_model_chooses_and_writes_the_same_each_time(nasflow, exported, pool, tmp_path):
    out, written = tmp_path / "out", []
    for _ in range(2):
        code, document = nasflow(exported.out / "model.onnx", pool, "--budget", 4, "--out", out)
        assert (code, document["ok"], document["suggested"], document["sent"]) == (1, False, 4, None)
        assert document["failed"] == [{"image": "text.jpg", "why": "not an image"}]
        assert (document["images"], document["labels_at_hand"]) == (LABELLED + NEW + 2, False)
        assert sum(document["left_out"].values()) == document["images"] - 4
        written.append((out / "suggestions.json").read_bytes())
    assert written[0] == written[1]
    content = json.loads(written[0])
    for one in content["suggestions"]:
        path = out / one["file"]
        data = path.read_bytes()
        assert hashlib.sha256(data).hexdigest() == one["candidate"]["sha256"]
        assert data == (pool / one["candidate"]["image"]).read_bytes()
        assert not set(path.name) & set("# &?%")
        assert one["reasons"]
        assert 0 <= one["score"] <= 1
        for folder in ("annotated", "thumbnails"):
            with Image.open(out / folder / f"{path.name}.jpg") as drawn:
                assert drawn.format == "JPEG"
    assert any(box["score"] < THRESHOLD for one in content["suggestions"] for box in one["candidate"]["objects"])
    rows = list(csv.DictReader(io.StringIO((out / "suggestions.csv").read_text())))
    assert [row["image"] for row in rows] == [one["candidate"]["image"] for one in content["suggestions"]]
    assert "text.jpg: not an image" in (out / "index.html").read_text()


def test_what_is_labelled_is_left_out_and_near_duplicates_come_once(
    nasflow, published, store_environment, pool, tmp_path
):
    _, document = nasflow("fruit", pool, "--out", tmp_path / "out", **store_environment)
    assert (document["model"], document["labels_at_hand"]) == ("fruit/1", True)
    assert document["left_out"]["labelled already"] >= LABELLED
    content = json.loads((tmp_path / "out" / "suggestions.json").read_text())
    reasons = {one["image"]: (one["reason"], one["like"]) for one in content["left_out"]}
    for number in range(LABELLED):
        assert reasons[f"labelled-train{number}.png"] == ("labelled already", f"train/train{number}.png")
    clouds = {"clouds.png", "clouds-again.jpg"}
    chosen = clouds & {one["candidate"]["image"] for one in content["suggestions"]}
    assert len(chosen) == 1
    assert reasons[(clouds - chosen).pop()] == ("twice", chosen.pop())


def test_without_the_labels_in_the_store_it_says_so(nasflow, exported, store, store_environment, pool, tmp_path):
    publish_one(store, tmp_path, {"onnx": (exported.out / "model.onnx").read_bytes()})
    code, document = nasflow("fruit", pool / "clouds.png", "--out", tmp_path / "out", **store_environment)
    assert (code, document["labels_at_hand"], document["suggested"]) == (0, False, 1)


def test_the_next_run_sends_the_next_images_and_each_arrives_once_as_predictions(
    nasflow, published, store_environment, pool, tmp_path
):
    with RoboflowServer(b"") as server:
        variables = {**store_environment, "ROBOFLOW_API_KEY": KEY, "NASFLOW_ROBOFLOW_API_URL": server.url}
        arguments = ["fruit", pool / "*.png", "--budget", 2, "--upload", f"{WORKSPACE}/{PROJECT}"]
        total = 0
        for number in range(4):
            code, document = nasflow(*arguments, "--out", tmp_path / f"out-{number}", **variables)
            assert (code, document["ok"]) == (0, True)
            assert document["sent"]["batch"] == "nasflow-fruit-1"
            assert (document["sent"]["sent"], document["sent"]["there_already"]) == (document["suggested"], 0)
            assert document["left_out"].get("sent before", 0) >= total
            total += document["suggested"]
            assert len(server.received) == total
        assert document["suggested"] == 0
        contents = {path.read_bytes() for path in pool.glob("*.png") if not path.name.startswith("labelled")}
        assert {one.content for one in server.received.values()} <= contents
        assert all(one.labels is None for one in server.received.values())
        sent = [one.predictions for one in server.received.values() if one.predictions]
        assert sent
        assert all(box["score"] >= THRESHOLD for document in sent for box in document["annotations"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--budget", "0"], "--budget: Input should be greater than or equal to 1"),
        (["--upload", "pets"], "--upload pets: give WORKSPACE/PROJECT"),
        (["--upload", f"{WORKSPACE}/{PROJECT}"], "environment variable NASFLOW_ROBOFLOW_API_KEY is empty"),
    ],
)
def test_bad_input_writes_nothing(nasflow, exported, pool, tmp_path, arguments, words):
    out = tmp_path / "out"
    code, document = nasflow(exported.out / "model.onnx", pool, "--out", out, *arguments, ROBOFLOW_API_KEY="")
    assert (code, document["ok"]) == (2, False)
    assert words in document["error"]
    assert not (out / "index.html").exists()
