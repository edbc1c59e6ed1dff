"""Published models on new images: what is detected is what the trained network detects, whatever runs it."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.detection.detector import Detector
from tasks.detection.in_store import detect_in_store
from tasks.detection.model_in_store import fetch_model
from tasks.detection.runtimes import load
from tasks.errors import BadInput, BadWeights, CorruptObject
from tasks.local import dataset_folder
from tasks.local.dataset_folder import image_path
from tasks.records import DatasetSnapshot, ImageDetections, LabelledImage, LabelSource
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.documents import read_record
from tests.fakes.datasets import CLASSES, draw
from tests.fakes.exported import SIZE, THRESHOLD
from tests.fakes.libraries import imported
from tests.fakes.published import publish_one
from tests.fakes.waiting import wait_for

NASFLOW = str(Path(sys.executable).with_name("nasflow"))
SIZES = [(64, 64), (200, 120), (90, 300), (512, 256), (33, 57), (641, 400)]
"""Width and height of images; one of 512 x 256 pixels is decoded at half its size."""


@pytest.fixture(scope="module")
def snapshot(exported, tmp_path_factory):
    """Images of many sizes as JPEG and PNG, in a dataset folder."""
    images, contents = [], {}
    for number, (width, height) in enumerate(SIZES):
        side = min(width, height)
        whole = Image.open(io.BytesIO(draw(("valid", number), 64, 2)[0])).convert("RGB")
        image = Image.new("RGB", (width, height), (30, 40, 50))
        image.paste(whole.resize((side, side)), (width - side, height - side))
        for kind in ("JPEG", "PNG"):
            file = io.BytesIO()
            image.save(file, kind)
            sha256 = hashlib.sha256(file.getvalue()).hexdigest()
            contents[sha256] = file.getvalue()
            images.append(
                LabelledImage(
                    file_name=f"{number}.{kind.lower()}", split="valid", sha256=sha256, size=len(contents[sha256]),
                    width=width, height=height, boxes=(),
                )
            )  # fmt: skip
    source = LabelSource(kind="file", name="drawn")
    snapshot = DatasetSnapshot(classes=CLASSES, images=tuple(images), source=source)
    folder = tmp_path_factory.mktemp("images")
    dataset_folder.fill(folder, snapshot, lambda image, path: path.write_bytes(contents[image.sha256]))
    return snapshot, folder


@pytest.fixture(scope="module")
def expected(exported, snapshot, tmp_path_factory):
    """Class, score and box xywh of what the trained network detects, by file name; as the evaluation makes them."""
    logs = tmp_path_factory.mktemp("libraries")
    worker = {
        name.rpartition(".")[2]: imported(f"tasks.training.worker.{name}", logs)
        for name in ("data.datasets", "data.images", "formats.network", "model.postprocess")
    }
    (labels, folder), network = snapshot, worker["network"].TrainedNetwork.load(exported.weights, THRESHOLD)
    dataset = worker["datasets"].PlainImages(worker["images"].ImageFolder(folder, labels.images, SIZE))
    detect = worker["network"].detect_with(network.network)
    found = {}
    for index, image in enumerate(labels.images):
        rows = detect(dataset[index][0][None].float() / 255)[0]
        detections = worker["postprocess"].rows_to_detections(rows, index, image, SIZE)
        found[image.file_name] = [
            (one["category_id"], one["score"], *one["bbox"]) for one in detections if one["score"] >= THRESHOLD
        ]
    assert sum(map(len, found.values())) >= 10, "too few detections to compare"
    return found


@pytest.fixture(scope="module")
def folder(snapshot, tmp_path_factory):
    """The images under their names, and two that are none."""
    labels, data = snapshot
    folder = tmp_path_factory.mktemp("named")
    for image in labels.images:
        (folder / image.file_name).write_bytes(image_path(data, image).read_bytes())
    (folder / "broken").mkdir()
    (folder / "broken" / "text.jpg").write_text("no image")
    (folder / "broken" / "cut.png").write_bytes((folder / "5.png").read_bytes()[:200])
    return folder


@pytest.fixture
def nasflow(tmp_path):
    """Run the command; gives its exit code and its document."""

    def nasflow(*arguments, **variables):
        environment = {**os.environ, "HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1", **variables}
        command = [NASFLOW, *map(str, arguments), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert "Traceback" not in done.stderr
        return done.returncode, json.loads(done.stdout)

    return nasflow


def assert_same(found, expected, image):
    """The same detections, within half a pixel of the network input and 0.001 of score."""
    assert [one[0] for one in found] == [one[0] for one in expected]
    pixels = 0.5 * max(image.width, image.height) / SIZE
    np.testing.assert_allclose([one[1] for one in found], [one[1] for one in expected], atol=1e-3)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one[2:], other[2:], atol=pixels)


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_detections_are_those_of_the_trained_network(exported, snapshot, expected, runtime):
    labels, data = snapshot
    detector = Detector(load(exported.out / "model.onnx", runtime, "fp32"), THRESHOLD)
    for image in labels.images:
        decoded = detector.decode(image_path(data, image).read_bytes())
        assert (decoded.width, decoded.height) == (image.width, image.height)
        found = [(one.class_index + 1, one.score, *one.bbox) for one in detector.detect(decoded)]
        assert_same(found, expected[image.file_name], image)


def test_the_verb_writes_what_was_detected_and_names_what_it_could_not_read(
    nasflow, exported, snapshot, expected, folder, tmp_path
):
    out, command = tmp_path / "out", ["detect", exported.out / "model.onnx", folder, "--precision", "fp32"]
    for _ in range(2):  # the same again replaces the results
        code, document = nasflow(*command, "--out", out)
        assert (code, document["ok"], document["images"]) == (1, False, len(expected))
        failed = {one["image"]: one["why"] for one in document["failed"]}
        assert failed == {"broken/text.jpg": "not an image", "broken/cut.png": "damaged, or cut short"}
        assert document["detections"] == sum(document["per_class"].values()) == sum(map(len, expected.values()))
        assert list(document["per_class"]) == list(CLASSES)
        assert document["threshold"] == THRESHOLD
        assert document["device"].endswith("fp32")
        assert document["images_per_second"] > 0
        assert document["out"] == str(out)
    coco = json.loads((out / "detections.json").read_text())
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    assert sorted(names.values()) == sorted(expected)
    images = {image.file_name: image for image in snapshot[0].images}
    for number, name in names.items():
        of_image = [one for one in coco["annotations"] if one["image_id"] == number]
        found = [(one["category_id"], one["score"], *one["bbox"]) for one in of_image]
        assert_same(found, expected[name], images[name])
    assert len((out / "detections.csv").read_text().splitlines()) == document["detections"] + 1
    # 5.jpeg and 5.png both become a JPEG.
    assert len(list((out / "images").glob("*.jpg"))) == len(list((out / "thumbnails").glob("*.jpg"))) == len(expected)
    with Image.open(out / "images" / "0.jpg") as annotated:
        assert annotated.size == SIZES[0]
    assert "text.jpg: not an image" in (out / "index.html").read_text()


def test_a_threshold_and_tiles_can_be_given(nasflow, exported, folder, tmp_path):
    arguments = [
        "detect",
        exported.out / "model.onnx",
        folder / "*.png",
        "--precision",
        "fp32",
        "--out",
        tmp_path / "o",
    ]
    counts = {}
    for options in ((), ("--threshold", "0.3"), ("--tile", "64")):
        code, document = nasflow(*arguments, *options)
        assert (code, document["ok"]) == (0, True)
        counts[options] = document["detections"]
    assert counts["--threshold", "0.3"] < counts[()] != counts["--tile", "64"]


def test_a_run_that_was_killed_is_done_by_the_same_command(nasflow, exported, folder, tmp_path):
    many, out = tmp_path / "many", tmp_path / "out"
    many.mkdir()
    for number in range(400):
        os.link(folder / "5.png", many / f"{number}.png")
    command = [NASFLOW, "detect", exported.out / "model.onnx", many, "--out", out]
    with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(lambda: list((out / ".unfinished").glob("images/*.jpg")), "annotated images")
        process.send_signal(signal.SIGKILL)
    assert not (out / "index.html").exists()
    for path in list(many.iterdir())[10:]:
        path.unlink()
    code, document = nasflow(*command[1:])
    assert (code, document["images"]) == (0, 10)
    assert {path.name for path in out.iterdir()} == {
        ".nasflow-detect", "images", "thumbnails", "detections.json", "detections.csv", "index.html",
    }  # fmt: skip
    assert len(list((out / "images").iterdir())) == 10


def test_images_of_zips_are_detected_on_and_zips_that_lead_out_are_refused(nasflow, exported, folder, tmp_path):
    good, bad, out = tmp_path / "good.zip", tmp_path / "bad.zip", tmp_path / "out"
    for path, inner in ((good, "day/5.png"), (bad, "../5.png")):
        with zipfile.ZipFile(path, "w") as file:
            file.write(folder / "5.png", inner)
            file.write(folder / "4.png", "4.png")
    model = exported.out / "model.onnx"
    code, document = nasflow("detect", model, bad, "--out", out)
    assert (code, document["ok"]) == (2, False)
    assert "'../5.png' leads out of the folder" in document["error"]
    assert not out.exists()
    assert nasflow("detect", model, good, folder / "4.png", "--out", out)[0] == 0
    coco = json.loads((out / "detections.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["4.png", "day/5.png", "4-2.png"]
    assert (out / "images" / "day" / "5.jpg").is_file()


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda out: out / "model-nms.onnx",
            "has non-maximum suppression inside; give the model's file of format onnx",
        ),
        (lambda out: out / "none.onnx", "no such file"),
        (lambda out: _file(out / "text.onnx", b"text " * 100), "not a whole ONNX file"),
        (lambda out: _file(out / "cut.onnx", (out / "model.onnx").read_bytes()[:9999]), "not a whole ONNX file"),
        (lambda out: _file(out / "end.onnx", (out / "model.onnx").read_bytes()[:-3]), "not a whole ONNX file"),
        (lambda out: _file(out / "graph.onnx", (out / "model.onnx").read_bytes().replace(b"Conv", b"Bonv", 1)), "ONNX"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_in_one_line(exported, runtime, make, words):
    with pytest.raises(BadWeights) as error:
        load(make(exported.out), runtime)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def _file(path, content):
    path.write_bytes(content)
    return path


def test_a_foreign_folder_and_bad_input_write_nothing(nasflow, exported, folder, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    model = exported.out / "model.onnx"
    for arguments, words in (
        ((model, folder, "--out", tmp_path / "mine"), "has notes.txt, not from `nasflow detect`"),
        ((model, folder / "none", "--out", tmp_path / "out"), "no such file or folder"),
        ((exported.weights, folder, "--out", tmp_path / "out"), "not a whole ONNX file"),
    ):
        code, document = nasflow("detect", *arguments)
        assert (code, document["ok"]) == (2, False)
        assert words in document["error"]
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    assert not (tmp_path / "out").exists()


# Published models --------------------------------------------------------------------------------


@pytest.fixture
def card(store, exported, tmp_path):
    (tmp_path / "published").mkdir()
    return publish_one(store, tmp_path / "published", {"onnx": (exported.out / "model.onnx").read_bytes()})


def test_a_published_model_is_fetched_once_and_images_may_be_in_the_store(
    nasflow, store, store_environment, card, folder, tmp_path
):
    for name in ("4.png", "5.png"):
        store.put(f"cameras/gate/{name}", (folder / name).read_bytes())
    store.put("cameras/gate/notes.txt", b"no image")
    for name in ("fruit", "fruit/1", "fruit@champion"):
        code, document = nasflow("detect", name, "store://cameras/", "--out", tmp_path / "out", **store_environment)
        assert (code, document["model"], document["images"]) == (0, "fruit/1", 2)
        if name == "fruit":
            store.delete([card.files["onnx"].key])
    coco = json.loads((tmp_path / "out" / "detections.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["gate/4.png", "gate/5.png"]


def test_a_fetched_file_that_was_changed_is_fetched_again(store, card, tmp_path):
    work = WorkSettings(work_dir=tmp_path / "work")
    whole = fetch_model(store, card, work, tmp_path).read_bytes()
    (cached,) = (tmp_path / "work" / "blobs").glob("*/*")
    cached.write_bytes(b"edited")
    assert fetch_model(store, card, work, tmp_path).read_bytes() == whole
    cached.write_bytes(b"edited")
    store.put(card.files["onnx"].key, whole[:-1])
    with pytest.raises(CorruptObject, match="recorded were"):
        fetch_model(store, card, work, tmp_path)


def test_a_version_without_the_format_is_refused(store, tmp_path):
    card = publish_one(store, tmp_path, {"pth": b"tensors"})
    with pytest.raises(BadInput, match="fruit version 1: it has no file of format onnx; there is safetensors, pth"):
        fetch_model(store, card, WorkSettings(work_dir=tmp_path / "work"), tmp_path)


# A prefix of the store ---------------------------------------------------------------------------


def detect_below_cameras(store, card, work_dir, on_image=lambda done, total: None):
    return detect_in_store(store, card, "cameras/", WorkSettings(work_dir=work_dir), on_image)


def records_of(store, card):
    return {
        record.image: record
        for key in store.list(keys.done_images(card.project, card.version))
        for record in [read_record(store, key, ImageDetections)[0]]
    }


def test_each_image_of_a_prefix_is_detected_on_once(store, card, folder, expected, tmp_path):
    def run():
        return detect_in_store(
            store, card, "cameras/", WorkSettings(work_dir=tmp_path / "work"), lambda done, total: None
        )

    assert run().images == 0
    for name in ("3.png", "5.png"):
        store.put(f"cameras/{name}", (folder / name).read_bytes())
    store.put("cameras/bad.jpg", b"no image")
    store.put("elsewhere/0.png", (folder / "0.png").read_bytes())
    first = run()
    assert (first.images, first.done_before, first.detected) == (3, 0, 2)
    assert [(one.image, one.why) for one in first.failed] == [("cameras/bad.jpg", "not an image")]
    assert first.detections == sum(first.per_class.values()) == sum(len(expected[name]) for name in ("3.png", "5.png"))
    coco = json.loads(store.get(first.file.key)[0])
    assert [image["file_name"] for image in coco["images"]] == ["cameras/3.png", "cameras/5.png"]
    records = records_of(store, card)
    assert records.keys() == {"cameras/3.png", "cameras/5.png", "cameras/bad.jpg"}
    assert records["cameras/bad.jpg"].failed == "not an image"
    assert len(records["cameras/5.png"].objects) == len(expected["5.png"])
    annotated, _ = store.get(records["cameras/5.png"].annotated.key)
    assert Image.open(io.BytesIO(annotated)).size == SIZES[5]

    again = run()
    assert (again.images, again.done_before, again.detected, again.failed, again.file) == (3, 3, 0, (), None)
    store.put("cameras/bad.jpg", (folder / "0.png").read_bytes())  # replaced by one that can be read
    store.put("cameras/new.png", (folder / "1.png").read_bytes())
    third = run()
    assert (third.images, third.done_before, third.detected) == (4, 2, 2)


def test_a_run_that_was_stopped_is_gone_on_with(store, card, folder, tmp_path):
    for number in range(30):
        store.put(f"cameras/{number:02d}.png", (folder / "5.png").read_bytes() + bytes([number]))

    class Stopped(Exception):
        pass

    def stop_after_five(done, total):
        if done == 5:
            raise Stopped

    with pytest.raises(Stopped):
        detect_below_cameras(store, card, tmp_path / "work", stop_after_five)
    done = records_of(store, card)
    assert 5 <= len(done) < 30
    outcome = detect_in_store(
        store, card, "cameras/", WorkSettings(work_dir=tmp_path / "work"), lambda done, total: None
    )
    assert (outcome.done_before, outcome.detected) == (len(done), 30 - len(done))


def test_two_runs_at_once_detect_on_each_image_once(store, card, folder, tmp_path):
    for number in range(12):
        store.put(f"cameras/{number:02d}.png", (folder / "5.png").read_bytes() + bytes([number]))

    def run(number):
        return detect_in_store(
            store, card, "cameras/", WorkSettings(work_dir=tmp_path / f"work{number}"), lambda done, total: None
        )

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(run, range(2)))
    assert sum(outcome.detected for outcome in outcomes) == 12
    assert [outcome.done_before + outcome.detected for outcome in outcomes] == [12, 12]
    listed = [
        image["file_name"]
        for outcome in outcomes if outcome.file
        for image in json.loads(store.get(outcome.file.key)[0])["images"]
    ]  # fmt: skip
    assert sorted(listed) == [f"cameras/{number:02d}.png" for number in range(12)]
    assert len(records_of(store, card)) == 12


def test_the_flow_detects_with_the_champion_and_shows_a_table(
    prefect_server, store, store_environment, card, folder, tmp_path
):
    store.put("cameras/5.png", (folder / "5.png").read_bytes())
    store.put("cameras/bad.jpg", b"no image")
    code = (
        "from flows.detect import detect; from tasks.records import DetectRequest; "
        "print(detect(DetectRequest(project='fruit', prefix='cameras/')).model_dump_json())"
    )
    environment = {**prefect_server.environment, **store_environment}
    command = [sys.executable, "-c", code]
    outcomes = []
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=600)
        outcomes.append(json.loads(done.stdout.splitlines()[-1]))
    assert [(one["version"], one["detected"], len(one["failed"])) for one in outcomes] == [(1, 1, 1), (1, 0, 0)]
    shown = prefect_server.api("/artifacts/filter", {"artifacts": {"key": {"any_": ["detect-fruit"]}}})
    rows = [json.loads(artifact["data"])[0] for artifact in shown]
    assert {(row["model"], row["images"], row["new"], row["not read"]) for row in rows} >= {("fruit/1", 2, 0, 0)}
    assert records_of(store, card).keys() == {"cameras/5.png", "cameras/bad.jpg"}
