"""Random images and detectors of known skill, for tests of what intervals and the gate promise."""

from typing import Any

import numpy as np

CLASSES, MEAN_BOXES, SIDE = 3, 3, 700


def ground_truth(dice: np.random.Generator, count: int) -> dict[str, Any]:
    """A COCO document of images with about three boxes each."""
    counts = dice.poisson(MEAN_BOXES, count)
    image_ids = np.repeat(np.arange(1, count + 1), counts)
    boxes = np.c_[dice.uniform(0, SIDE - 200, (len(image_ids), 2)), dice.uniform(40, 150, (len(image_ids), 2))]
    labels = dice.integers(1, CLASSES + 1, len(image_ids))
    return {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": SIDE, "height": SIDE} for n in range(1, count + 1)],
        "categories": [{"id": n, "name": f"class {n}"} for n in range(1, CLASSES + 1)],
        "annotations": [
            {"id": n, "image_id": int(image), "category_id": int(label), "bbox": box.tolist(),
             "area": float(box[2] * box[3]), "iscrowd": 0}
            for n, (image, label, box) in enumerate(zip(image_ids, labels, boxes, strict=True), start=1)
        ],
    }  # fmt: skip


def detections(
    dice: np.random.Generator,
    ground_truth: dict[str, Any],
    ease: np.ndarray,
    skill: float = 0.8,
    false_positives: float = 1.0,
) -> list[dict[str, Any]]:
    """Detections of a detector: each box by skill and ease of the image, a little displaced, and false positives."""
    results = []
    for box in ground_truth["annotations"]:
        if dice.random() < skill * ease[box["image_id"] - 1] * 1.1:
            moved = np.array(box["bbox"]) + np.r_[dice.normal(0, 6, 2), 0, 0]
            moved[2:] *= np.exp(dice.normal(0, 0.08, 2))
            results.append(_detection(box["image_id"], box["category_id"], moved, dice.beta(5, 2)))
    for image, count in enumerate(dice.poisson(false_positives, len(ground_truth["images"])), start=1):
        for _ in range(count):
            box = np.r_[dice.uniform(0, SIDE - 200, 2), dice.uniform(40, 150, 2)]
            results.append(_detection(image, int(dice.integers(1, CLASSES + 1)), box, dice.beta(2, 4)))
    return results


def _detection(image: int, label: int, box: np.ndarray, score: float) -> dict[str, Any]:
    return {"image_id": image, "category_id": label, "bbox": box.tolist(), "score": float(score)}


def ease(dice: np.random.Generator, images: int) -> np.ndarray:
    """How easy each image is, in [0, 1]: boxes of a hard image are missed together."""
    return dice.beta(6, 2, images)
