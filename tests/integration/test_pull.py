"""Copying published models from a real store to this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.remote.pull import pull_model
from tasks.errors import BadInput, CorruptObject
from tasks.records import ModelVersion
from tests.fakes.published import publish_one

NASFLOW = str(Path(sys.executable).with_name("nasflow"))
CONTENT = {"onnx": b"graph " * 1000, "pth": b"tensors " * 1000, "onnx-int8": b"whole numbers " * 1000}


@pytest.fixture
def card(store, tmp_path):
    (tmp_path / "published").mkdir()
    return publish_one(store, tmp_path / "published", CONTENT)


def test_the_verb_copies_the_file_and_its_card(store_environment, card, tmp_path):
    environment = {**os.environ, **store_environment}
    for _ in range(2):
        command = [NASFLOW, "models", "pull", "fruit", "--json"]
        done = subprocess.run(command, capture_output=True, check=True, env=environment, cwd=tmp_path)
        document = json.loads(done.stdout)
        assert document["file"] == str(tmp_path / "fruit-1" / "model.onnx")
        assert Path(document["file"]).read_bytes().startswith(CONTENT["onnx"])
        assert ModelVersion.model_validate_json(Path(document["card"]).read_bytes()) == card
        assert document["load"][1] == f'session = onnxruntime.InferenceSession("{document["file"]}")'
        assert sorted(path.name for path in (tmp_path / "fruit-1").iterdir()) == ["card.json", "model.onnx"]
    shown = subprocess.run([NASFLOW, "models", "show", "fruit"], capture_output=True, check=True, env=environment)
    assert b"onnx-nms is not published: 9 of 9 detections differ" in shown.stderr
    assert b"onnx-int8: one image takes 22.4 ms, 38.8 ms with onnx (openvino 2026.4.1, 2 threads of AMD" in shown.stderr
    for name in (b"safetensors", b"pth", b"onnx"):
        assert name in shown.stdout


@pytest.mark.parametrize(
    ("model", "format_name", "name"),
    [
        ("fruit/1", "pth", "model.pth"),
        ("fruit@champion", "safetensors", "weights.safetensors"),
        ("fruit", "onnx", "model.onnx"),
        ("fruit", "onnx-int8", "model-int8.onnx"),
    ],
)
def test_a_version_an_alias_and_the_champion_in_each_format(store, card, tmp_path, model, format_name, name):
    document = pull_model(store, model, format_name, tmp_path / "out")
    assert (document["version"], document["sha256"]) == (1, card.files[format_name].sha256)
    assert document["file"] == str(tmp_path / "out" / name)
    assert len(document["load"]) == 2


def test_a_torn_file_does_not_get_its_name_and_a_whole_one_is_fetched_again(store, card, tmp_path):
    key = card.files["onnx"].key
    whole, _ = store.get(key)
    store.put(key, whole[: len(whole) // 2])
    with pytest.raises(CorruptObject, match="recorded were"):
        pull_model(store, "fruit", "onnx", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []

    store.put(key, whole)
    path = Path(pull_model(store, "fruit", "onnx", tmp_path / "out")["file"])
    path.write_bytes(b"edited by somebody")
    pull_model(store, "fruit", "onnx", tmp_path / "out")
    assert path.read_bytes() == whole
    store.delete([key])
    pull_model(store, "fruit", "onnx", tmp_path / "out")  # it is here already


@pytest.mark.parametrize(
    ("model", "format_name", "message"),
    [
        ("fruit", "int8", "fruit version 1: no format int8; there is safetensors, onnx, pth"),
        ("fruit", "onnx-nms", "onnx-nms was not published, since 9 of 9 detections differ; there is safetensors, onnx"),
        ("fruit/2", "onnx", "project fruit: no version 2; `nasflow models list` shows"),
        ("fruit@old", "onnx", "project fruit: no alias old; `nasflow models list` shows"),
        ("pets", "onnx", "project pets: no alias champion"),
        ("fruit/1/2", "onnx", "give PROJECT, PROJECT/VERSION or PROJECT@ALIAS"),
        ("fruit/one", "onnx", "give PROJECT, PROJECT/VERSION or PROJECT@ALIAS"),
        ("Fruit", "onnx", "no such name can be"),
    ],
)
def test_what_is_not_there_is_said_in_one_line(store, card, tmp_path, model, format_name, message):
    with pytest.raises(BadInput) as error:
        pull_model(store, model, format_name, tmp_path / "out")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_card_of_an_older_nasflow_has_its_weights(store, card, tmp_path):
    content = json.loads(card.model_dump_json())
    for field in ("formats", "formats_refused"):
        del content[field]
    old = ModelVersion.model_validate_json(json.dumps(content))
    assert list(old.files) == ["safetensors"]


def test_a_folder_that_cannot_be_written_is_bad_input(store, card, tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(BadInput, match=r"--out .*out: .*; name a folder that can be written"):
        pull_model(store, "fruit", "onnx", tmp_path / "out")
