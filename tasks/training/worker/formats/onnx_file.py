"""ONNX with the boxes and scores of all anchors: one file, any number of images at a time.

The exporter is torch's older one: the newer one fails on this network, whose outputs hold plain numbers, and writes the
weights into a second file.
"""

import copy
import io
import warnings
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from tasks.training.worker.formats.network import Detect, TrainedNetwork
from tasks.training.worker.model.postprocess import select_boxes

IMAGES, OUTPUTS = "images", ("boxes", "scores")

Run = Callable[[Tensor], tuple[Tensor, Tensor]]
"""From images as ``Detect`` takes them to the boxes and scores of all anchors."""


def write(trained: TrainedNetwork, path: Path) -> None:
    """Write boxes ``[B, N, 4]`` xyxy in pixels of the network input, and scores ``[B, N, C]`` in [0, 1]."""
    save(to_onnx(trained), trained.describe(), path)


def load(trained: TrainedNetwork, path: Path) -> Detect:
    """Load a file alone, and select boxes as the evaluation does."""
    run = open_run(path)

    def detect(images: Tensor) -> list[Tensor]:
        rows: list[Tensor] = select_boxes(run(images))
        return rows

    return detect


def open_run(path: Path) -> Run:
    """Load a file; its boxes and scores are not selected yet."""
    session = open_session(path)

    def run(images: Tensor) -> tuple[Tensor, Tensor]:
        boxes, scores = session.run(list(OUTPUTS), {IMAGES: images.numpy()})
        return torch.from_numpy(boxes), torch.from_numpy(scores)

    return run


class _BoxesAndScores(nn.Module):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        return self.network(images)  # while it is traced, the network gives boxes and scores alone


def to_onnx(trained: TrainedNetwork) -> onnx.ModelProto:
    """Convert a network; its blocks are fused in a copy."""
    model = onnx.load_model_from_string(_converted(trained))
    with torch.no_grad():
        boxes, scores = trained.network(trained.example())[0]
    for output, values in zip(model.graph.output, (boxes, scores), strict=True):
        for axis, length in enumerate(values.shape[1:], start=1):
            output.type.tensor_type.shape.dim[axis].dim_value = length
    return model


@lru_cache(maxsize=1)
def _converted(trained: TrainedNetwork) -> bytes:
    """The network as ONNX, converted once for all files that are made from it."""
    network, example = copy.deepcopy(trained.network), trained.example()
    network.prep_model_for_conversion(input_size=tuple(example.shape))  # type: ignore[operator]
    content = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # that this exporter is the older one
        torch.onnx.export(
            _BoxesAndScores(network).eval(),
            (example,),
            content,  # type: ignore[arg-type]  # this exporter writes into memory, too
            dynamo=False,
            input_names=[IMAGES],
            output_names=list(OUTPUTS),
            dynamic_axes={name: {0: "batch"} for name in (IMAGES, *OUTPUTS)},
        )
    return content.getvalue()


def save(model: onnx.ModelProto, metadata: dict[str, str], path: Path) -> None:
    """Check a model, and write it as one file.

    Args:
        model: The model, which gets the metadata.
        metadata: What a user has to know.
        path: The file.
    """
    onnx.helper.set_model_props(model, metadata)
    model.producer_name, model.producer_version = "nasflow", metadata["nasflow"]
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """Load a file from its bytes, so that one that needs a second file is refused."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
