"""Metadata that are added to an ONNX file are read with those that it has."""

import onnx
import pytest
from onnx import helper

from tasks.promotion.model_files import onnx_metadata, with_version


def metadata_of(content: bytes) -> dict[str, str]:
    return {entry.key: entry.value for entry in onnx.ModelProto.FromString(content).metadata_props}


@pytest.mark.parametrize("length", [0, 1, 127, 128, 16_383, 16_384])
def test_texts_of_any_length_are_read_back(length):
    model = helper.make_model(helper.make_graph([], "empty", [], []))
    helper.set_model_props(model, {"classes": "[]"})
    added = {"project": "猫" * length, "version": "7"}
    assert metadata_of(model.SerializeToString() + onnx_metadata(added)) == {"classes": "[]", **added}


def test_the_file_of_the_run_stays_and_other_files_stay_as_they_are(tmp_path):
    run_file, other = tmp_path / "model.onnx", tmp_path / "model.pth"
    run_file.write_bytes(helper.make_model(helper.make_graph([], "empty", [], [])).SerializeToString())
    before = run_file.read_bytes()
    for version in (1, 2, 1):
        published = with_version(run_file, "pets", version)
        assert metadata_of(published.read_bytes()) == {"project": "pets", "version": str(version)}
        assert published.read_bytes().startswith(before)
    assert run_file.read_bytes() == before
    assert with_version(other, "pets", 1) == other
