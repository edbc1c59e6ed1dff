"""ONNX in int8: inputs and outputs are those of the file in fp32, and convolutions are computed in whole numbers.

Activations are unsigned: with signed ones onnxruntime leaves most convolutions of this network in fp32, and OpenVINO
computes a convolution behind a Concat wrong. Weights have a scale for each channel, and 7 bits: processors without VNNI
add two products of 8 bits in 16, which overflows.
"""

import re
import tempfile
from collections.abc import Iterable
from pathlib import Path

import onnx
from onnxruntime.quantization import MinMaxCalibrater, QDQQuantizer, QuantType, TensorsData
from torch import Tensor

from tasks.records import FORMAT_FILES, Int8Speed
from tasks.training.worker.formats import onnx_file, runtime
from tasks.training.worker.formats.network import Detect, TrainedNetwork
from tasks.training.worker.model.postprocess import select_boxes

OPERATORS = ["Conv", "ConvTranspose", "Relu"]
"""A Relu becomes the lower end of the range that the convolution before it has."""
IN_FP32 = re.compile(r"/heads/Conv|_pred/Conv")
"""Nodes of the heads that make scores, and distances to the edges of a box."""


def write(trained: TrainedNetwork, path: Path) -> None:
    """Write the network, calibrated on its training images."""
    model = onnx.shape_inference.infer_shapes(onnx_file.to_onnx(trained))
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        ranges = _ranges_of_activations(model, trained.training_images, Path(folder))
    quantizer = QDQQuantizer(
        model,
        per_channel=True,
        reduce_range=True,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QUInt8,
        tensors_range=ranges,
        nodes_to_quantize=[],
        nodes_to_exclude=[node.name for node in model.graph.node if IN_FP32.search(node.name)],
        op_types_to_quantize=OPERATORS,
        extra_options={},
    )
    quantizer.quantize_model()
    quantizer.model.topological_sort()
    onnx_file.save(quantizer.model.model, trained.describe() | {"number_format": "int8"}, path)


def load(trained: TrainedNetwork, path: Path) -> Detect:
    """Load a file as detection does, and select boxes as the evaluation does."""
    run = runtime.open_file(path)

    def detect(images: Tensor) -> list[Tensor]:
        rows: list[Tensor] = select_boxes(run(images))
        return rows

    return detect


def speed(trained: TrainedNetwork, path: Path) -> Int8Speed:
    """Time a file, and the one in fp32 that lies beside it."""
    return runtime.speed_beside(path, path.with_name(FORMAT_FILES["onnx"]), trained.example())


class _Reader:
    """Batches, as onnxruntime's calibrators ask for them."""

    def __init__(self, batches: Iterable[Tensor]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, object] | None:
        batch = next(self._batches, None)
        return None if batch is None else {onnx_file.IMAGES: batch.numpy()}


def _ranges_of_activations(model: onnx.ModelProto, batches: Iterable[Tensor], folder: Path) -> TensorsData:
    """The smallest and the largest value of each activation over all images; no activation is kept."""
    source, augmented = folder / "source.onnx", folder / "augmented.onnx"
    onnx.save_model(model, source)
    calibrater = MinMaxCalibrater(source, OPERATORS, str(augmented))
    calibrater.augment_graph()
    # Its own session would take all cores.
    calibrater.infer_session = onnx_file.open_session(augmented)
    calibrater.collect_data(_Reader(batches))
    return calibrater.compute_data()
