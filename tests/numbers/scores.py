"""What scoring gives for labels and detections that are made of a seeded generator's integers."""

import random
from typing import Any

import numpy as np

from tasks import metrics
from tasks.evaluation.measure import MeasuredImages, measure
from tasks.metrics.thresholds import BETAS, Ranked, best_threshold
from tasks.records import SplitCounts

CLASSES = ("cat", "dog", "owl")
IMAGES = 36
SIDE = 400


def ground_truth() -> dict[str, Any]:
    """Images with up to five boxes; some are copies of one image, or frames of one clip."""
    dice = random.Random(1)
    names = [f"{n // 2}_jpg.rf.{n:032x}.jpg" if n < 8 else f"walk_frame_{n:04d}.jpg" if n < 14 else f"{n}.jpg"
             for n in range(IMAGES)]  # fmt: skip
    boxes = [
        (image, dice.choice([1, 1, 2, 2, 3]), [*dice.choices(range(200), k=2), *dice.choices(range(8, 190), k=2)])
        for image in range(1, IMAGES + 1)
        for _ in range(dice.randrange(6))
    ]
    return {
        "images": [{"id": n, "file_name": name, "width": SIDE, "height": SIDE} for n, name in enumerate(names, 1)],
        "categories": [{"id": n, "name": name} for n, name in enumerate(CLASSES, 1)],
        "annotations": [
            {"id": n, "image_id": image, "category_id": label, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
            for n, (image, label, box) in enumerate(boxes, 1)
        ],
    }


def detections(seed: int, share: int) -> list[dict[str, Any]]:
    """Detections of so many of ten labelled boxes, somewhat displaced, some of a wrong class; and false positives."""
    dice, found = random.Random(seed), []
    for box in ground_truth()["annotations"]:
        for _ in range(dice.choice([1, 1, 1, 2])):
            if dice.randrange(10) < share:
                moved = [value + dice.randrange(-value // 8 - 1, value // 8 + 2) for value in box["bbox"]]
                label = box["category_id"] if dice.randrange(9) else dice.randrange(1, 4)
                found.append((box["image_id"], label, moved, dice.randrange(200, 1000)))
    for image in range(1, IMAGES + 1):
        for _ in range(dice.randrange(4)):
            box = [*dice.choices(range(250), k=2), *dice.choices(range(8, 140), k=2)]
            found.append((image, dice.randrange(1, 4), box, dice.randrange(10, 700)))
    return [
        {
            "image_id": image,
            "category_id": label,
            "bbox": [float(max(1, value)) for value in box],
            "score": score / 1000,
        }
        for image, label, box, score in found
    ]


def measured() -> dict[str, Any]:
    """All that is stored of an evaluation, at thresholds for each goal."""
    found = detections(2, share=8)
    matches = metrics.Matches(ground_truth(), found)
    points = [metrics.choose_point(matches, goal) for goal in ("balance", "precision", "recall")]
    counts = SplitCounts(images=IMAGES, boxes=int(matches.box_counts.sum()), background=0)
    evaluation = measure(matches, found, points[0], MeasuredImages("fixed images", counts))
    document = evaluation.model_dump(mode="json", include={"sources", "scores"})
    analysis = evaluation.analysis.model_dump(mode="json")
    curves = {
        name: {
            "precision_at_recall": curve["precision_at_recall"][::20],
            **{which: values[5::15] for which, values in curve["by_threshold"].items()},
        }
        for name, curve in analysis.pop("curves").items()
    }
    points_as_json = [point.model_dump(mode="json") for point in points]
    return {**document, "points": points_as_json, "thresholds": chosen(), "curves": curves, **analysis}


def chosen() -> list[list[float | None]]:
    """Thresholds for each goal, of rankings in which hits get rarer evenly."""
    found = []
    for length in (200, 2000, 5000):
        hits_so_far = [at * (2 * length - at) // (2 * length) for at in range(length + 1)]
        hits = np.diff(hits_so_far).astype(bool)
        ranking = Ranked(np.linspace(0.99, 0.01, length), hits, int(hits.sum()) + length // 10)
        found.append([best_threshold(ranking, beta) for beta in BETAS.values()])
    return found


def compared() -> dict[str, Any]:
    """A model against a champion that finds less."""
    champion, candidate = (metrics.Matches(ground_truth(), detections(seed, share)) for seed, share in ((3, 6), (2, 8)))
    return metrics.compare(champion, candidate, version=1, confidence_level=0.9).model_dump(mode="json")


def validated() -> dict[str, Any]:
    """What decides which epoch is the best one."""
    return metrics.score(ground_truth(), detections(2, share=8)).model_dump(mode="json", exclude={"ci95"})
