"""Time of ``tasks.metrics.score`` against pycocotools, on the same set in the same run.

Run it with ``python -m tests.benchmarks.bench_metrics``; it also checks that the two agree.
"""

import contextlib
import io
import time

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tasks.metrics import score

PICTURES, CLASSES, TRUTHS, DETECTIONS = 300, 10, 6, 100


def make_set(seed=0):
    """Truths and detections of the size of one validation."""
    rng = np.random.default_rng(seed)
    truths, detections = [], []
    for image in range(1, PICTURES + 1):
        for _ in range(TRUTHS):
            box, category = np.r_[rng.uniform(0, 500, 2), rng.uniform(20, 200, 2)], int(rng.integers(CLASSES)) + 1
            place = {"image_id": image, "category_id": category}
            truths.append({**place, "id": len(truths) + 1, "bbox": box.tolist(), "area": box[2] * box[3], "iscrowd": 0})
            moved = (box + rng.normal(0, 5, 4)).clip(1)
            detections.append({**place, "bbox": moved.tolist(), "score": float(rng.beta(4, 2))})
        for _ in range(DETECTIONS - TRUTHS):
            box = np.r_[rng.uniform(0, 500, 2), rng.uniform(20, 200, 2)].tolist()
            category, value = int(rng.integers(CLASSES)) + 1, float(rng.beta(1, 6))
            detections.append({"image_id": image, "category_id": category, "bbox": box, "score": value})
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 700, "height": 700} for i in range(1, PICTURES + 1)]
    categories = [{"id": i, "name": f"class {i}"} for i in range(1, CLASSES + 1)]
    return {"images": images, "categories": categories, "annotations": truths}, detections


def reference(truth, detections):
    """mAP by pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        labels = COCO()
        labels.dataset = truth
        labels.createIndex()
        evaluation = COCOeval(labels, labels.loadRes([dict(one) for one in detections]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats[0]


def timed(call):
    """Seconds of the fastest of three calls, and what it gave."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times), result


def main():
    truth, detections = make_set()
    ours, scores = timed(lambda: score(truth, detections))
    theirs, judged = timed(lambda: reference(truth, detections))
    with_intervals, _ = timed(lambda: score(truth, detections, intervals=True))
    assert abs(scores.map - judged) < 1e-9, (scores.map, judged)
    print(f"{PICTURES} pictures, {CLASSES} classes, {len(truth['annotations'])} truths, {len(detections)} detections")
    print(f"pycocotools         {theirs:.3f} s")
    print(f"score               {ours:.3f} s, {theirs / ours:.1f} times as fast, equal mAP {scores.map:.6f}")
    print(f"score(intervals)    {with_intervals:.3f} s")


if __name__ == "__main__":
    main()
