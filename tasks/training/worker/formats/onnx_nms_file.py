"""ONNX with non-maximum suppression inside: what comes out are detections, as the evaluation selects them.

All detections of a batch come out as one list: ``image_indices``, ``boxes``, ``scores`` and ``class_indices``. They go
down to the low score that mAP needs; the confidence threshold is in the metadata.
"""

from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import TensorProto, helper
from torch import Tensor

from tasks.training.worker.formats import onnx_file
from tasks.training.worker.formats.network import Detect, TrainedNetwork
from tasks.training.worker.model.postprocess import select_boxes

OUTPUTS: dict[str, tuple[int, list[int | str | None]]] = {
    "image_indices": (TensorProto.INT64, ["detections"]),
    "boxes": (TensorProto.FLOAT, ["detections", 4]),
    "scores": (TensorProto.FLOAT, ["detections"]),
    "class_indices": (TensorProto.INT64, ["detections"]),
}
"""Kind and shape by name."""


def write(trained: TrainedNetwork, path: Path) -> None:
    """Write the network with non-maximum suppression behind it."""
    model = onnx_file.to_onnx(trained)
    _add_suppression(model)
    limits = {"nms_iou": str(select_boxes.nms_threshold), "nms_score": str(select_boxes.score_threshold)}
    onnx_file.save(model, {**trained.describe(), **limits}, path)


def load(trained: TrainedNetwork, path: Path) -> Detect:
    """Load a file alone; of each image the same number of detections is kept as in the evaluation."""
    session = onnx_file.open_session(path)

    def detect(images: Tensor) -> list[Tensor]:
        values = [torch.from_numpy(value) for value in session.run(list(OUTPUTS), {onnx_file.IMAGES: images.numpy()})]
        image_indices, boxes, scores, class_indices = values
        rows = torch.cat([boxes, scores[:, None], class_indices[:, None].to(boxes.dtype)], dim=1)
        best_first = torch.argsort(scores, descending=True, stable=True)
        return [
            rows[best_first][image_indices[best_first] == image][: select_boxes.max_predictions]
            for image in range(len(images))
        ]

    return detect


def _add_suppression(model: onnx.ModelProto) -> None:
    """Put the nodes behind the network, and their outputs in place of its outputs."""
    graph = model.graph
    _, anchors, classes = (dim.dim_value for dim in graph.output[1].type.tensor_type.shape.dim)
    for node in graph.node:
        for index, name in enumerate(node.output):
            node.output[index] = f"all_{name}" if name in onnx_file.OUTPUTS else name
        for index, name in enumerate(node.input):
            node.input[index] = f"all_{name}" if name in onnx_file.OUTPUTS else name
    graph.initializer.extend(_constants(min(select_boxes.nms_top_k, anchors * classes)))
    graph.node.extend(_nodes())
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, *kind_and_shape) for name, kind_and_shape in OUTPUTS.items()
    )


def _constants(candidates: int) -> list[TensorProto]:
    whole = {
        "flat": [0, -1], "candidates": [candidates], "axis_1": [1], "axis_2": [2], "image_column": 0, "class_column": 1,
        "image_and_anchor": [0, 2], "max_of_class": [select_boxes.max_predictions],
    }  # fmt: skip
    real = {"zero": 0.0, "nms_iou": [select_boxes.nms_threshold], "nms_score": [select_boxes.score_threshold]}
    return [_constant(name, TensorProto.INT64, value) for name, value in whole.items()] + [
        _constant(name, TensorProto.FLOAT, value) for name, value in real.items()
    ]


def _constant(name: str, kind: int, value: Any) -> TensorProto:
    values: list[Any] = value if isinstance(value, list) else [value]
    return helper.make_tensor(name, kind, [len(values)] if isinstance(value, list) else [], values)


def _nodes() -> list[onnx.NodeProto]:
    """As in the evaluation, only the best candidates of an image, over all classes, go into the suppression."""
    node = helper.make_node
    return [
        node("Reshape", ["all_scores", "flat"], ["flat_scores"]),
        node("TopK", ["flat_scores", "candidates"], ["best_scores", "best_indices"]),
        node("ReduceMin", ["best_scores", "axis_1"], ["lowest"], keepdims=1),
        node("Unsqueeze", ["lowest", "axis_2"], ["lowest_score"]),
        node("Transpose", ["all_scores"], ["class_scores"], perm=[0, 2, 1]),
        node("GreaterOrEqual", ["class_scores", "lowest_score"], ["is_candidate"]),
        node("Where", ["is_candidate", "class_scores", "zero"], ["candidate_scores"]),
        node(
            "NonMaxSuppression",
            ["all_boxes", "candidate_scores", "max_of_class", "nms_iou", "nms_score"],
            ["selected"],
        ),  # rows of image, class, anchor
        node("Gather", ["selected", "image_column"], ["image_indices"], axis=1),
        node("Gather", ["selected", "class_column"], ["class_indices"], axis=1),
        node("GatherND", ["class_scores", "selected"], ["scores"]),
        node("Gather", ["selected", "image_and_anchor"], ["selected_anchors"], axis=1),
        node("GatherND", ["all_boxes", "selected_anchors"], ["boxes"]),
    ]
