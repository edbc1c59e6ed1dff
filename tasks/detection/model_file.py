"""What an ONNX file of ours says of itself.

An ONNX file is a protobuf message. Its metadata are read here, so that every runtime gets whole files of ours alone:
of others OpenVINO writes bytes to stderr.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import BadWeights
from tasks.images.network_input import PREPROCESSING

_GRAPH, _METADATA = 7, 14
"""Fields of an ONNX file: the network, and a pair of texts."""
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
"""Kinds of protobuf fields."""
INPUT, OUTPUTS = "images", ("boxes", "scores")


@dataclass(frozen=True)
class Model:
    """What detection has to know about a model."""

    classes: tuple[str, ...]
    size: int
    """Side of the square input in pixels."""
    threshold: float
    """Confidence threshold."""
    project: str | None
    version: int | None
    weights_sha256: str
    number_format: str | None = None
    """Number format of the file, where it is none that a runtime chooses: int8."""

    @classmethod
    def from_file(cls, path: Path) -> "Model":
        """Read what a file says of itself.

        Raises:
            BadWeights: it is no file that nasflow exported in the format ``onnx``, or is not whole.
        """
        if not path.is_file():
            raise BadWeights(f"{path}: no such file; name a model, or an ONNX file from `nasflow models pull`")
        try:
            metadata = read_metadata(path.read_bytes())
        except OSError as error:
            raise BadWeights(f"{path}: cannot be read: {error.strerror}; name a file that can") from None
        except (ValueError, IndexError):
            raise BadWeights(f"{path}: not a whole ONNX file; get it again with `nasflow models pull`") from None
        return cls.from_metadata(metadata, path)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], path: Path) -> "Model":
        """Read the metadata of an ONNX file.

        Args:
            metadata: The metadata.
            path: The file, for messages.

        Returns:
            What they say.

        Raises:
            BadWeights: it is no file that nasflow exported in the format ``onnx``.
        """
        if "nms_iou" in metadata:
            raise BadWeights(
                f"{path}: has non-maximum suppression inside; give the model's file of format onnx, model.onnx"
            )
        try:
            classes = json.loads(metadata["classes"])
            size, threshold = int(metadata["image_size"]), float(metadata["threshold"])
            said = {key: metadata[key] for key in PREPROCESSING}
            weights_sha256 = metadata["weights_sha256"]
        except (KeyError, ValueError) as error:
            missing = f"no {error} in its metadata" if isinstance(error, KeyError) else str(error)
            raise BadWeights(f"{path}: {missing}; give an ONNX file from `nasflow models pull`") from None
        if said != PREPROCESSING:  # it would be used in a way that it was not trained for
            raise BadWeights(f"{path}: images go in as {said}, this nasflow knows {PREPROCESSING}; use a newer one")
        version = metadata.get("version")
        return cls(
            tuple(classes), size, threshold, metadata.get("project"), int(version) if version else None, weights_sha256,
            metadata.get("number_format"),
        )  # fmt: skip


def is_model_file(model: str) -> bool:
    """Whether what a person named is a file; no name of a project or an alias has a dot."""
    return Path(model).is_file() or "." in model


def read_metadata(content: bytes) -> dict[str, str]:
    """Read the metadata of an ONNX file.

    Args:
        content: The file.

    Returns:
        Text by key.

    Raises:
        ValueError: it is no ONNX file, or is cut short.
        IndexError: likewise.
    """
    fields = list(_fields(memoryview(content)))
    if _GRAPH not in {number for number, _ in fields}:
        raise ValueError("no network")
    pairs = [dict(_fields(value)) for number, value in fields if number == _METADATA]
    return {str(pair[1], "utf-8"): str(pair[2], "utf-8") for pair in pairs if pair.keys() == {1, 2}}


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field of a protobuf message that holds bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == _VARINT:
            _, at = _varint(message, at)
            continue
        length = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}.get(kind)
        if kind == _BYTES:
            length, at = _varint(message, at)
        if length is None or at + length > len(message):
            raise ValueError("no such field")
        if kind == _BYTES:
            yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """A whole number that begins at a byte, and where it ends: seven bits a byte, the lowest first."""
    value = shift = 0
    while True:
        value |= (message[at] & 0x7F) << shift
        if message[at] < 0x80:
            return value, at + 1
        at, shift = at + 1, shift + 7
        if shift > 63:
            raise ValueError("no number")
