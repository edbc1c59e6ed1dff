"""How images go into the network, and how boxes come out of its outputs."""

import random
from pathlib import Path
from typing import Any

from tasks.images.network_input import half_size_is_enough, scaled_size
from tasks.local.dataset_folder import image_path
from tasks.records import LabelledImage
from tests.fakes.datasets import write_dataset
from tests.numbers.recorded import about

SIDE = 100
IMAGE = LabelledImage(file_name="a.png", split="valid", sha256="0" * 64, size=1, width=640, height=480, boxes=())


def scaled(folder: Path) -> dict[str, Any]:
    """Drawn images at a smaller and at a larger size, with their padding."""
    import numpy as np
    import torch
    from super_gradients.training.samples import DetectionSample

    from tasks.training.worker.data.datasets import as_tensors
    from tasks.training.worker.data.decoding import decode_scaled

    image = write_dataset(folder, train=1, valid=1, size=SIDE).of_split("train")[0]
    values: dict[str, Any] = {}
    for size in (64, 160):
        pixels = decode_scaled(image_path(folder, image), image, size)
        values[str(size)] = {
            "shape": list(pixels.shape),
            "means": [about(value, 0.5) for value in pixels.mean(axis=(0, 1))],
            "deviation": about(pixels.std(), 0.5),
        }
    narrow = DetectionSample(
        image=np.full((32, 64, 3), 9, dtype=np.uint8), bboxes_xyxy=np.zeros((0, 4)), labels=np.zeros(0)
    )
    return {
        **values,
        "sizes": [list(scaled_size(*sides, 640)) for sides in ((640, 480), (333, 1000), (3, 4000))],
        "half": [half_size_is_enough(*sides, 64) for sides in ((254, 256), (256, 254), (256, 255), (300, 200))],
        "padding": torch.unique(as_tensors(narrow, 64)[0][:, 32:]).tolist(),
    }


def selected_boxes() -> list[Any]:
    """Detections of outputs with boxes that overlap more and more, and with scores that get lower and lower."""
    import torch

    from tasks.training.worker.model.postprocess import detections_of

    dice = random.Random(4)
    overlapping = [[10.0 * row * (row + 1), 20.0, 10.0 * row * (row + 1) + 100, 90.0] for row in range(2)]
    # Beside a box of width 100 one that is moved by s has an IoU of (100 - s) / (100 + s).
    overlapping += [[300.0 + moved, 200.0, 400.0 + moved, 280.0] for moved in (0, 5, 10, 15, 17, 18, 19, 25, 40)]
    scores = [[0.9 - 0.03 * row, 0.05] for row in range(len(overlapping))]
    alone = [[8.0 * n, 400.0, 8.0 * n + 7, 410.0] for n in range(8)]
    scores += [[0.002 * n + 0.003, 0.0] for n in range(len(alone))]
    many = [[2.0 * (n % 40) * 8, 8.0 * (n // 40), 2.0 * (n % 40) * 8 + 6, 8.0 * (n // 40) + 6] for n in range(1200)]
    many_scores = [[dice.randrange(300, 900) / 1000, 0.0] for _ in many]
    counts = []
    for boxes, of_boxes in ((overlapping + alone, scores), (many, many_scores)):
        outputs = ((torch.tensor([boxes]), torch.tensor([of_boxes])), None)
        counts.append(detections_of(outputs, [0], [IMAGE], 640))
    few, limited = counts
    lowest = min(one["score"] for one in limited)
    return [[[*one["bbox"], one["score"], one["category_id"]] for one in few], len(limited), lowest]
