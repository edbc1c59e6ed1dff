"""What a model file says of itself, and which file of a version is used."""

import json
from pathlib import Path

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.detection import model_in_store
from tasks.detection.model_file import Model, read_metadata
from tasks.detection.model_in_store import choose_file
from tasks.errors import BadWeights
from tasks.images.network_input import PREPROCESSING
from tasks.records import Int8Speed, ModelFormat, ModelVersion, StoredFile
from tests.fakes.published import AGREEMENT

METADATA = {
    **PREPROCESSING, "classes": json.dumps(["cat", "Ödland"]), "image_size": "320", "threshold": "0.35",
    "weights_sha256": "ab", "project": "pets", "version": "3",
}  # fmt: skip


def test_metadata_of_a_published_file():
    model = Model.from_metadata(METADATA, Path("model.onnx"))
    assert (model.classes, model.size, model.threshold) == (("cat", "Ödland"), 320, 0.35)
    assert (model.project, model.version) == ("pets", 3)


def test_a_file_that_was_exported_and_not_published_has_no_version():
    metadata = {key: value for key, value in METADATA.items() if key not in ("project", "version")}
    model = Model.from_metadata(metadata, Path("model.onnx"))
    assert (model.project, model.version) == (None, None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"nms_iou": "0.7"}, "has non-maximum suppression inside; give the model's file of format onnx"),
        ({"classes": None}, "no 'classes' in its metadata"),
        ({"classes": "cat"}, "give an ONNX file from `nasflow models pull`"),
        ({"image_size": "big"}, "give an ONNX file"),
        ({"channels": "BGR"}, "this nasflow knows"),
        ({"padding": "centre"}, "use a newer one"),
    ],
)
def test_a_file_that_is_none_of_ours_is_refused_in_one_line(changes, words):
    metadata = {key: value for key, value in {**METADATA, **changes}.items() if value is not None}
    with pytest.raises(BadWeights) as error:
        Model.from_metadata(metadata, Path("model.onnx"))
    assert words in str(error.value)
    assert str(error.value).startswith("model.onnx: ")
    assert "\n" not in str(error.value)


def published(machine, runtime, latency_ms):
    """A version with both files, of which the one in int8 was measured so; the one in fp32 took 40 ms."""
    speed = Int8Speed(runtime=runtime, machine=machine, threads=2, latency_ms=latency_ms, fp32_latency_ms=40)
    files = {name: StoredFile(key=name, sha256="a" * 64, size=1) for name in ("onnx", "onnx-int8")}
    return ModelVersion.model_construct(
        project="pets", version=1, weights=files["onnx"], formats_refused={},
        formats=tuple(
            ModelFormat(name=name, file=file, agreement=AGREEMENT, speed=speed if name == "onnx-int8" else None)
            for name, file in files.items()
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("machine", "runtime", "latency_ms", "precision", "chosen"),
    [
        ("this one", "openvino 2026.4.1", 20, None, "onnx-int8"),
        ("this one, a GPU", "openvino 2025.1", 20, None, "onnx-int8"),
        ("this one", "openvino 2026.4.1", 41, None, "onnx"),
        ("another", "openvino 2026.4.1", 20, None, "onnx"),
        ("this one", "onnxruntime 1.32.0", 20, None, "onnx"),
        ("this one", "openvino 2026.4.1", 20, "fp32", "onnx"),
    ],
)
def test_int8_is_used_where_it_was_measured_to_be_faster(monkeypatch, machine, runtime, latency_ms, precision, chosen):
    monkeypatch.setattr(model_in_store, "processor_name", lambda: "this one")
    assert choose_file(published(machine, runtime, latency_ms), precision).key == chosen


def onnx_file(metadata):
    node = onnx.helper.make_node("Identity", ["images"], ["boxes"])
    ports = [onnx.helper.make_tensor_value_info(name, 1, [1]) for name in ("images", "boxes")]
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "network", ports[:1], ports[1:]))
    onnx.helper.set_model_props(model, metadata)
    return model.SerializeToString()


@given(st.dictionaries(st.text(max_size=300), st.text(max_size=300), max_size=4))
def test_metadata_are_those_that_onnx_wrote(metadata):
    assert read_metadata(onnx_file(metadata)) == metadata


@given(st.binary(max_size=200))
def test_other_bytes_are_refused_or_have_no_metadata_of_ours(content):
    try:
        metadata = read_metadata(content)
    except (ValueError, IndexError):
        return
    with pytest.raises(BadWeights):
        Model.from_metadata(metadata, Path("model.onnx"))


def test_a_file_that_is_cut_anywhere_is_refused(tmp_path):
    whole, path = onnx_file(METADATA), tmp_path / "model.onnx"
    path.write_bytes(whole)
    assert Model.from_file(path).version == 3
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        try:
            version = Model.from_file(path).version
        except BadWeights:
            continue
        assert version is None  # cut between two pairs, and what is left is all that has to be there
