"""Evaluation: ours against pycocotools and faster-coco-eval on the same files, intervals, the page, and how it grows.

Run it with ``python -m tests.benchmarks.bench_evaluation``. Made-up ground truth and detections in COCO files, each
engine from file to numbers, in turn in one process, the fastest of three. Ours reads, checks and scores; the others
read and score. All have to agree on mAP, or the benchmark fails.
"""

import argparse
import contextlib
import importlib
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tasks import metrics
from tasks.evaluation.coco_detections import load_detections
from tasks.evaluation.coco_truth import load_ground_truth
from tasks.evaluation.measure import MeasuredImages, measure
from tasks.evaluation.report.content import ReportContent
from tasks.evaluation.report.page import render
from tasks.records import SplitCounts
from tests.benchmarks.peers import contestants

PEERS = contestants.INSTALLED
CLASSES, TRUTHS, DETECTIONS = 20, 6, 75
MIN_SPEEDUP, MAX_INTERVAL_SECONDS, MAX_PAGE_SECONDS = 10.0, 30.0, 5.0
"""Targets: speed compared with pycocotools'; seconds of 1,000 bootstrap rounds, and of the page."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--growth", type=int, default=20_000, help="images of the larger set; default 20000")
    options = parser.parse_args()
    print(contestants.machine())
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        files = write_set(Path(name), options.images)
        print(f"{options.images} images, {CLASSES} classes, {options.images * DETECTIONS} detections")
        ours = timed(lambda: our_map(*files))
        engines = {"pycocotools": "pycocotools", "faster-coco-eval": "faster_coco_eval"}
        for peer, module in engines.items():
            try:
                theirs = timed(partial(their_map, module, *files))
            except ImportError as error:
                print(f"{peer:18} not available: {error}")
                continue
            if abs(theirs[1] - ours[1]) > 1e-12:
                sys.exit(f"{peer} says mAP {theirs[1]}, ours {ours[1]}")
            ratio = theirs[0] / ours[0]
            target = f", {verdict(ratio >= MIN_SPEEDUP)} (target {MIN_SPEEDUP:g})" if peer == "pycocotools" else ""
            print(f"{peer:18} {theirs[0]:7.2f} s, ours {ours[0]:.2f} s: x {ratio:.1f}{target}, equal mAP {ours[1]:.6f}")
        print_page_times(*files)
        print_growth(Path(name), options.images, options.growth, ours[0])


def write_set(folder: Path, images: int) -> tuple[Path, Path]:
    """Ground truth and detections, as two files."""
    rng = np.random.default_rng(0)
    count = images * TRUTHS
    image_ids = np.repeat(np.arange(1, images + 1), TRUTHS)
    boxes = np.c_[rng.uniform(0, 500, (count, 2)), rng.uniform(10, 200, (count, 2))]
    labels = rng.integers(1, CLASSES + 1, count)
    truth = {
        "images": [{"id": i, "file_name": f"{i}.jpg", "width": 700, "height": 700} for i in range(1, images + 1)],
        "categories": [{"id": i, "name": f"class {i}"} for i in range(1, CLASSES + 1)],
        "annotations": [
            {"id": n, "image_id": int(image), "category_id": int(label), "bbox": box.tolist(),
             "area": float(box[2] * box[3]), "iscrowd": 0}
            for n, (image, label, box) in enumerate(zip(image_ids, labels, boxes, strict=True), start=1)
        ],
    }  # fmt: skip
    false_positives = images * (DETECTIONS - TRUTHS)
    columns_of_parts = [
        (image_ids, labels, (boxes + rng.normal(0, 6, boxes.shape)).clip(1), rng.beta(4, 2, count)),
        (
            np.repeat(np.arange(1, images + 1), DETECTIONS - TRUTHS), rng.integers(1, CLASSES + 1, false_positives),
            np.c_[rng.uniform(0, 500, (false_positives, 2)), rng.uniform(10, 200, (false_positives, 2))],
            rng.beta(1, 6, false_positives),
        ),
    ]  # fmt: skip
    detections = [
        {"image_id": int(image), "category_id": int(label), "bbox": box.tolist(), "score": float(score)}
        for columns in columns_of_parts
        for image, label, box, score in zip(*columns, strict=True)
    ]
    files = folder / f"truth-{images}.json", folder / f"detections-{images}.json"
    for path, content in zip(files, (truth, detections), strict=True):
        path.write_text(json.dumps(content))
    return files


def our_map(truth_file: Path, detections_file: Path) -> float:
    truth = load_ground_truth(truth_file)
    return metrics.score(truth.document, load_detections(detections_file, truth).detections).map


def their_map(module: str, truth_file: Path, detections_file: Path) -> float:
    """mAP by pycocotools, or by a library with its interface."""
    with contextlib.redirect_stdout(io.StringIO()), peers():
        if module == "faster_coco_eval":
            library = importlib.import_module(module)
            load, evaluator = library.COCO, library.COCOeval_faster
        else:
            load = importlib.import_module(f"{module}.coco").COCO
            evaluator = importlib.import_module(f"{module}.cocoeval").COCOeval
        truth = load(str(truth_file))
        evaluation = evaluator(truth, truth.loadRes(str(detections_file)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


@contextlib.contextmanager
def peers() -> Any:
    """Make the packages importable that only benchmarks need, after the installed ones."""
    sys.path.append(str(PEERS))
    try:
        yield
    finally:
        sys.path.remove(str(PEERS))


def print_page_times(truth_file: Path, detections_file: Path) -> None:
    """Print the time of the intervals and all numbers, and of the page."""
    truth = load_ground_truth(truth_file)
    document, detections = truth.document, load_detections(detections_file, truth).detections
    matches = metrics.Matches(document, detections)
    point = metrics.choose_point(matches)
    counts = SplitCounts(images=len(document["images"]), boxes=len(document["annotations"]), background=0)
    start = time.perf_counter()
    evaluation = measure(matches, detections, point, MeasuredImages("made-up images", counts))
    measured = time.perf_counter()
    html = render(ReportContent(title="Made-up", evaluation=evaluation))
    interval_seconds, page_seconds = measured - start, time.perf_counter() - measured
    print(
        f"1,000 bootstrap rounds and all numbers: {interval_seconds:.1f} s, "
        f"{verdict(interval_seconds < MAX_INTERVAL_SECONDS)}; "
        f"page of {len(html) / 1e6:.2f} MB: {page_seconds:.2f} s, {verdict(page_seconds < MAX_PAGE_SECONDS)}"
    )


def print_growth(folder: Path, small: int, large: int, seconds: float) -> None:
    """Print the time per image of a large set compared with a small one, without intervals."""
    files = write_set(folder, large)
    start = time.perf_counter()
    our_map(*files)
    ratio = (time.perf_counter() - start) / large / (seconds / small)
    print(f"time per image, {large} compared with {small} images: x {ratio:.2f} (linear is 1)")


def timed(call: Callable[[], float]) -> tuple[float, float]:
    """Seconds of the fastest of three calls, and their result."""
    times, result = [], 0.0
    for _ in range(3):
        start = time.perf_counter()
        result = call()
        times.append(time.perf_counter() - start)
    return min(times), result


def verdict(met: bool) -> str:
    return "met" if met else "MISSED"


if __name__ == "__main__":
    main()
