"""Files of a network that was trained here: each is used as its users do, and detects what the network detects."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import openvino
import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.images.network_input import PREPROCESSING
from tasks.local.dataset_folder import image_path
from tasks.records import FORMAT_FILES, Agreement, Export
from tasks.training.contract import files
from tasks.training.contract.job import ExportWork
from tests.fakes import trainer
from tests.fakes.datasets import CLASSES
from tests.fakes.exported import SIZE, THRESHOLD
from tests.fakes.libraries import imported
from tests.fakes.small_disk import small_disk

DOCS = Path(__file__).parents[2] / "docs" / "models.md"


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    """Modules of the trainer, by the end of their name."""
    folder = tmp_path_factory.mktemp("libraries")
    return lambda name: imported(f"tasks.training.worker.{name}", folder)


@pytest.fixture(scope="module")
def trained(exported, worker):
    return worker("formats.network").TrainedNetwork.load(exported.weights, THRESHOLD)


@pytest.fixture(scope="module")
def expected(exported, trained, worker):
    """What the trained network detects on each image, best first."""
    rows = worker("formats.network").detect_with(trained.network)(torch.from_numpy(exported.images()))
    assert sum((image[:, 4] >= THRESHOLD).sum() for image in rows) >= 5, "too few detections to compare"
    return [image.numpy() for image in rows]


def assert_same(rows, expected):
    assert len(rows) == len(expected)
    np.testing.assert_allclose(rows[:, :4], expected[:, :4], atol=0.01)
    np.testing.assert_allclose(rows[:, 4], expected[:, 4], atol=1e-5)
    assert rows[:, 5].tolist() == expected[:, 5].tolist()


def test_all_files_agree_with_the_trained_network(exported):
    result = Export.model_validate_json((exported.out / files.EXPORT).read_bytes())
    assert [*(one.name for one in result.exported), *result.refused] == list(FORMAT_FILES)
    # Five images do not tell what int8 does to mAP.
    assert all((name, why[:11]) == ("onnx-int8", "its mAP is ") for name, why in result.refused.items())
    for one in result.exported:
        assert one.agreement.images == 5
        assert one.agreement.detections >= 10
        assert one.agreement.map > 0.05
        assert one.agreement.map_difference <= (5e-3 if one.name == "onnx-int8" else 1e-3)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:CUDA is not available:UserWarning")
def test_stock_super_gradients_loads_the_pth_and_detects_the_same(exported, expected, tmp_path):
    models = imported("super_gradients.training.models", tmp_path)
    path = exported.out / "model.pth"
    network = models.get("yolo_nas_s", num_classes=2, checkpoint_path=str(path)).eval()
    tensors = load_file(exported.weights)
    assert network.state_dict().keys() == tensors.keys()
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in network.state_dict().items())
    paths = [image_path(exported.data, image) for image in exported.snapshot.of_split("valid")]
    shown = network.predict(str(paths[0]), fuse_model=False).prediction
    sure = expected[0][expected[0][:, 4] >= THRESHOLD]
    assert tuple(network._class_names) == CLASSES
    np.testing.assert_allclose(shown.bboxes_xyxy, sure[:, :4], atol=0.01)
    assert shown.labels.tolist() == sure[:, 5].tolist()


@pytest.fixture
def alone(exported, tmp_path):
    """A session of a file that is the only one in its folder."""

    def alone(name):
        shutil.copy(exported.out / name, tmp_path)
        return onnxruntime.InferenceSession(str(tmp_path / name), providers=["CPUExecutionProvider"])

    return alone


@pytest.mark.parametrize("size", ["1m", "100m"], ids=["nothing", "the first file"])
def test_a_full_disk_is_no_reason_against_a_format(exported, tmp_path, size):
    """There is room for so much."""
    with small_disk(tmp_path / "disk", size) as disk:
        work = ExportWork(
            data=exported.data, out=disk / "out", weights=exported.weights, split="valid", threshold=THRESHOLD
        )  # fmt: skip
        done = trainer.run(tmp_path, work)
        assert done.process.returncode == 1, done.stderr[-2000:]
        assert done.events[-1]["kind"] == "DiskFull"
        assert "no room to write" in done.events[-1]["message"]
        assert not (disk / "out" / files.EXPORT).exists()


@pytest.mark.parametrize("batch", [1, 3])
def test_an_onnx_file_alone_gives_the_same_detections(exported, expected, alone, worker, batch):
    select = worker("model.postprocess").select_boxes
    boxes, scores = alone("model.onnx").run(None, {"images": exported.images()[:batch]})
    for rows, wanted in zip(select((torch.from_numpy(boxes), torch.from_numpy(scores))), expected[:batch], strict=True):
        assert_same(rows.numpy(), wanted)

    outputs = alone("model-nms.onnx").run(["image_indices", "boxes", "scores", "class_indices"],
                                          {"images": exported.images()[:batch]})  # fmt: skip
    indices, boxes, scores, classes = outputs
    rows = np.concatenate([boxes, scores[:, None], classes[:, None]], axis=1)
    for image, wanted in enumerate(expected[:batch]):
        rows_of_image = rows[indices == image]
        assert_same(rows_of_image[np.argsort(-rows_of_image[:, 4], kind="stable")], wanted)


def test_an_onnx_file_says_how_it_is_used(alone):
    for name in ("model.onnx", "model-nms.onnx", "model-int8.onnx"):
        metadata = alone(name).get_modelmeta().custom_metadata_map
        assert tuple(json.loads(metadata["classes"])) == CLASSES
        assert (metadata["image_size"], metadata["threshold"]) == (str(SIZE), str(THRESHOLD))
        assert {key: metadata[key] for key in PREPROCESSING} == PREPROCESSING
        assert {"padding_value", "run_key", "weights_sha256", "nasflow"} < metadata.keys()


def test_the_example_of_the_docs_prints_the_detections(exported, expected, tmp_path):
    (code,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    paths = [image_path(exported.data, image) for image in exported.snapshot.of_split("valid")]
    (tmp_path / "example.py").write_text(code)
    for path, wanted in [*zip(paths, expected, strict=True)][:2]:
        command = [sys.executable, tmp_path / "example.py", exported.out / "model-nms.onnx", path]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        printed = sorted(tuple(line.split()[:2]) for line in lines)
        sure = [row for row in wanted.tolist() if row[4] >= THRESHOLD]
        assert printed == sorted((CLASSES[int(row[5])], str(round(row[4], 3))) for row in sure)


def in_onnxruntime(path, images):
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return session.run(["boxes", "scores"], {"images": images})


def in_openvino(path, images):
    outputs = openvino.Core().compile_model(path, "CPU", {"INFERENCE_NUM_THREADS": 1})({"images": images})
    return outputs["boxes"], outputs["scores"]


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("run", [in_onnxruntime, in_openvino])
def test_a_file_in_int8_detects_nearly_the_same(exported, run, batch):
    images = exported.images()[:batch]
    expected_boxes, expected_scores = in_onnxruntime(exported.out / "model.onnx", images)
    boxes, scores = run(exported.out / "model-int8.onnx", images)
    assert (boxes.shape, scores.shape) == (expected_boxes.shape, expected_scores.shape)
    assert np.abs(scores - expected_scores).max() < 0.1
    sure = expected_scores.max(axis=2) >= THRESHOLD
    assert sure.any()
    assert np.abs(boxes - expected_boxes)[sure].max() < 0.1 * SIZE
    # It is no copy in fp32.
    assert np.abs(scores - expected_scores).max() > 1e-4
    assert (exported.out / "model-int8.onnx").stat().st_size < 0.3 * (exported.out / "model.onnx").stat().st_size


def test_int8_comes_out_the_same_each_time(exported, trained, worker, tmp_path):
    calibration = worker("formats.calibration")
    images = calibration.images_to_calibrate_on(exported.snapshot)
    assert len({image.sha256 for image in images}) == len(images) == calibration.MAX_IMAGES
    again = replace(trained, training_images=calibration.batches_of(images, exported.data, SIZE))
    worker("formats.onnx_int8_file").write(again, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == (exported.out / "model-int8.onnx").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["again.onnx"]


def test_int8_that_is_calibrated_on_a_black_image_is_refused(exported, trained, worker, tmp_path):
    spoilt = replace(trained, training_images=[torch.zeros(1, 3, SIZE, SIZE)])
    path, int8 = tmp_path / "spoilt.onnx", worker("formats.table").FORMATS["onnx-int8"]
    int8.write(spoilt, path)
    agreements, failures = worker("formats.measure").measure(
        trained, {"onnx-int8": int8.load(trained, path)}, exported.data, exported.snapshot.of_split("valid")
    )
    assert failures == {}
    assert re.match(r"its mAP is 0\.\d+, 0\.\d+ from the trained", int8.disagreement(agreements["onnx-int8"]))


def test_int8_without_training_images_is_refused_and_the_others_are_written(exported, trained, worker, tmp_path):
    nothing = replace(trained, training_images=worker("formats.calibration").batches_of((), exported.data, SIZE))
    loaded, refused = worker("export").write_all(nothing, tmp_path, lambda: None)
    assert list(loaded) == ["pth", "onnx", "onnx-nms"]
    reason = "it cannot be exported: BadSpec: there are no training images, which int8 is calibrated on"
    assert refused == {"onnx-int8": reason}


def test_files_of_another_network_are_refused(exported, worker, tmp_path):
    """The network that they are measured against has slightly other scores."""
    other = tmp_path / "other.safetensors"
    tensors = load_file(exported.weights)
    for number in (1, 2, 3):
        tensors[f"heads.head{number}.cls_pred.bias"] += 0.05
    metadata = worker("model.weights").read_metadata(exported.weights)
    save_file(tensors, other, metadata=metadata)
    network = worker("formats.network").TrainedNetwork.load(other, THRESHOLD)
    loaded = {
        name: format_.load(network, exported.out / FORMAT_FILES[name])
        for name, format_ in worker("formats.table").FORMATS.items()
    }
    agreements, failures = worker("formats.measure").measure(
        network, loaded, exported.data, exported.snapshot.of_split("valid")
    )
    assert (list(agreements), failures) == (list(FORMAT_FILES), {})
    for name in FORMAT_FILES.keys() - {"onnx-int8"}:
        assert "detections differ" in worker("formats.agreement").disagreement(agreements[name])


@pytest.mark.parametrize(
    ("differs", "reason"),
    [
        ({}, None),
        ({"unmatched": 2}, None),
        ({"unmatched": 3}, "3 of 200 detections differ"),
        ({"map_difference": 0.0009}, None),
        ({"map_difference": 0.0011}, "its mAP is 0.5000, 0.0011 from"),
    ],
)
def test_few_detections_and_little_map_may_differ(worker, differs, reason):
    values = {"images": 40, "detections": 200, "unmatched": 0, "map": 0.5, "map_difference": 0.0,
              "box_difference": 0.1, "score_difference": 0.0}  # fmt: skip
    said = worker("formats.agreement").disagreement(Agreement(**{**values, **differs}))
    assert said is None if reason is None else said.startswith(reason)


@pytest.mark.parametrize(
    ("map_difference", "reason"), [(0.005, None), (0.0051, "its mAP is 0.5000, 0.0051 from the trained network's, on")]
)
def test_of_a_file_in_int8_map_alone_counts(worker, map_difference, reason):
    agreement = Agreement(images=40, detections=200, unmatched=190, map=0.5, map_difference=map_difference,
                          box_difference=0.5, score_difference=0.001)  # fmt: skip
    said = worker("formats.agreement").disagreement_int8(agreement)
    assert said is None if reason is None else said.startswith(reason)


def test_every_format_has_a_file_name(worker):
    assert list(worker("formats.table").FORMATS) == list(FORMAT_FILES)
