"""The formats that a model is published in, besides its safetensors; in the order in which they are made."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tasks.records import Agreement, Int8Speed
from tasks.training.worker.formats import onnx_file, onnx_int8_file, onnx_nms_file, torch_file
from tasks.training.worker.formats.agreement import disagreement, disagreement_int8
from tasks.training.worker.formats.network import Detect, TrainedNetwork


class Format(NamedTuple):
    """How a format is written, and how a file of it is used."""

    write: Callable[[TrainedNetwork, Path], None]
    load: Callable[[TrainedNetwork, Path], Detect]
    disagreement: Callable[[Agreement], str | None] = disagreement
    """Why a file may not be published, in words; None if it may."""
    speed: Callable[[TrainedNetwork, Path], Int8Speed] | None = None
    """Times a file that may be published; None if that is of no use."""


FORMATS: dict[str, Format] = {
    "pth": Format(torch_file.write, torch_file.load),
    "onnx": Format(onnx_file.write, onnx_file.load),
    "onnx-nms": Format(onnx_nms_file.write, onnx_nms_file.load),
    "onnx-int8": Format(onnx_int8_file.write, onnx_int8_file.load, disagreement_int8, onnx_int8_file.speed),
}
"""By name; the file names are in ``tasks.records.FORMAT_FILES``."""
