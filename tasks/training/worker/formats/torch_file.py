"""A checkpoint that stock super-gradients loads: ``models.get(name, num_classes=..., checkpoint_path=...)``.

It has the class names and the processing of images, too, so that ``predict`` of the loaded network works at once.
"""

from pathlib import Path
from typing import Any

import torch

from tasks.images.network_input import PAD_VALUE
from tasks.training.worker.formats.network import Detect, TrainedNetwork, detect_with
from tasks.training.worker.model.postprocess import select_boxes
from tasks.training.worker.super_gradients_parts import yolo_nas


def write(trained: TrainedNetwork, path: Path) -> None:
    """Write the network, with nothing in the file but tensors and plain values."""
    torch.save({"net": trained.network.state_dict(), "processing_params": _processing(trained)}, path)


def load(trained: TrainedNetwork, path: Path) -> Detect:
    """Load a file as its users do."""
    return detect_with(yolo_nas(trained.variant, len(trained.classes), path).eval())


def _processing(trained: TrainedNetwork) -> dict[str, Any]:
    shape = {"output_shape": [trained.size, trained.size]}
    steps = [
        {"DetectionLongestMaxSizeRescale": shape},
        {"DetectionBottomRightPadding": {**shape, "pad_value": PAD_VALUE}},
        {"StandardizeImage": {"max_value": 255.0}},
        {"ImagePermute": {"permutation": [2, 0, 1]}},
    ]
    return {
        "class_names": list(trained.classes),
        "image_processor": {"ComposeProcessing": {"processings": steps}},
        "conf": trained.threshold,
        "iou": select_boxes.nms_threshold,
        "nms_top_k": select_boxes.nms_top_k,
        "max_predictions": select_boxes.max_predictions,
    }
