"""Weights files: recognized by their content, refused if they are none, and written with what a user must know."""

import io
import json
import pickle
import random
import struct
import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

from tasks.errors import BadWeights
from tasks.records import BestEpoch, StartWeights, TrainingSpec
from tasks.training.worker.model.loaded_weights import LoadedWeights, start_weights
from tasks.training.worker.model.weights import load_all, read_metadata, read_weights
from tasks.training.worker.model.weights_writer import write_weights

SPEC = TrainingSpec(
    snapshot_digest="0" * 64, classes=("cat", "dog"), variant="s", epochs=1, image_size=64, batch_size=2,
    learning_rate=1e-3, patience=1, seed=0,
)  # fmt: skip
BEST = BestEpoch(epoch=1, map=0.5, valid_loss=1)
TENSORS = {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}
NAMES = ["weights", "weights.pth", "weights.safetensors"]


def torch_bytes(content: object, *, as_zip: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=as_zip)
    return file.getvalue()


def with_header_of(length: int, content: bytes) -> bytes:
    """Pad the header of a safetensors file with blanks."""
    end = 8 + int.from_bytes(content[:8], "little")
    return struct.pack("<Q", length) + content[8:end].ljust(length) + content[end:]


def read(path: Path, content: bytes) -> dict[str, Tensor]:
    path.write_bytes(content)
    return read_weights(path).tensors


# Reading -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "content",
    [
        pytest.param(save(TENSORS), id="safetensors"),
        pytest.param(torch_bytes({"net": TENSORS}), id="torch"),
        pytest.param(torch_bytes({"net": TENSORS}, as_zip=False), id="torch before 1.6"),
    ],
)
def test_the_name_of_a_file_does_not_matter(tmp_path: Path, name: str, content: bytes) -> None:
    """Keys in a store need no suffix."""
    tensors = read(tmp_path / name, content)
    assert all(torch.equal(tensors[key], TENSORS[key]) for key in TENSORS)
    assert len(tensors) == len(TENSORS)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path: Path, protocol: int) -> None:
    magic = pickle.dumps(None, protocol=protocol)[:2]
    content = with_header_of(int.from_bytes(magic, "little"), save(TENSORS))
    assert content.startswith(magic)
    assert read(tmp_path / "weights", content).keys() == TENSORS.keys()


def a_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("labels.json", "{}")
    return file.getvalue()


def a_program() -> bytes:
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, but there are such files
        torch.jit.save(torch.jit.script(nn.ReLU()), file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "begins with b''", id="empty"),
        pytest.param(b"{}", "begins with b'{}'", id="short"),
        pytest.param(b"<!doctype html><title>Sign in</title>", "begins with b'<!doctype'", id="HTML page"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1", "begins with b'version h'", id="LFS pointer"),
        pytest.param(random.Random(0).randbytes(100_000), "begins with", id="noise"),
        pytest.param(struct.pack("<Q", 2**62) + b"{}", "begins with", id="header longer than any"),
        pytest.param(struct.pack("<Q", 8) + b"{", "header", id="header cut off"),
        pytest.param(struct.pack("<Q", 8) + b"{" * 8, "header", id="header no JSON"),
        pytest.param(save(TENSORS)[:-1], "header", id="tensors cut off"),
        pytest.param(torch_bytes(TENSORS)[:-100], "archive", id="zip cut off"),
        pytest.param(torch_bytes(TENSORS, as_zip=False)[:-10], "cannot be read", id="pickle cut off"),
        pytest.param(pickle.dumps({}, protocol=2), "cannot be read", id="pickle of nothing"),
        pytest.param(a_zip(), "archive", id="zip of something else"),
        pytest.param(a_program(), "is a program, of TorchScript", id="program"),
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_files_that_are_no_weights_are_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes, words: str
) -> None:
    with pytest.raises(BadWeights) as raised:
        read(tmp_path / name, content)
    message = str(raised.value)
    assert message.startswith(f"weights {tmp_path / name}: ")
    assert "\n" not in message
    assert words in message
    assert "give a .safetensors file, or a torch file" in message
    assert "weights_only" not in message, "no advice to run it"


# Writing -------------------------------------------------------------------------------------------


def test_the_licence_is_in_the_metadata_if_it_is_known(tmp_path: Path) -> None:
    network = nn.Linear(3, 2)
    unlicensed, licensed = tmp_path / "unlicensed", tmp_path / "licensed"
    write_weights(unlicensed, network.state_dict(), SPEC, BEST)
    write_weights(licensed, network.state_dict(), SPEC, BEST, "CC BY 4.0")
    assert "licence" not in read_metadata(unlicensed)
    assert read_metadata(licensed) == {**read_metadata(unlicensed), "licence": "CC BY 4.0"}
    assert (read_weights(unlicensed).licence, read_weights(licensed).licence) == (None, "CC BY 4.0")


def test_equal_weights_give_equal_files(tmp_path: Path) -> None:
    """Their metadata are sorted."""
    network, copy = nn.Linear(3, 2), nn.Linear(3, 2)
    paths = [tmp_path / f"{number}" for number in range(8)]
    for path in paths:
        write_weights(path, network.state_dict(), SPEC, BEST, "CC BY 4.0")
    assert len({path.read_bytes() for path in paths}) == 1
    content = paths[0].read_bytes()
    metadata = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]
    assert list(metadata) == sorted(metadata)
    load_all(copy, paths[0])
    assert torch.equal(copy.weight, network.weight)


@pytest.mark.parametrize(
    ("stated", "in_file", "recorded"),
    [(None, None, None), ("MIT", None, "MIT"), (None, "CC0", "CC0"), ("MIT", "CC0", "MIT"), (None, "", None)],
)
def test_the_users_statement_of_the_licence_comes_before_the_files(
    stated: str | None, in_file: str | None, recorded: str | None
) -> None:
    loaded = LoadedWeights(
        matched=2, total=2, left_out=(), named=True, kept=("cat",), new=(), gone=(), licence=in_file
    )  # fmt: skip
    assert start_weights(loaded, "store://x", "1" * 64, stated) == StartWeights(
        source="store://x", sha256="1" * 64, licence=recorded,
        loaded="2 of 2 tensors kept; class rows: 1 of 1 by name (cat)",
    )  # fmt: skip
