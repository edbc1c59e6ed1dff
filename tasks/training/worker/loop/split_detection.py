"""Detecting on splits with a run's weights, and writing the detections and the speed of the network to files."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.local.files import publish_bytes
from tasks.records import DatasetSnapshot, Split
from tasks.training import files
from tasks.training.worker.loop.detector import Detector
from tasks.training.worker.model.weights import read_metadata
from tasks.training.worker.runtime.process import Precision


@dataclass(frozen=True)
class SplitDetection:
    """What to detect on, with which weights."""

    weights: Path
    snapshot: DatasetSnapshot
    """With the classes of the weights."""
    data: Path
    """Dataset folder of the snapshot."""
    splits: tuple[Split, ...]
    """Splits that have images."""
    out: Path
    """Folder for the files."""
    precision: Precision | None
    """Number format; None for what the device computes fastest."""


def detect_splits(
    job: SplitDetection, on_batch: Callable[[int, int], None], before_round: Callable[[], None]
) -> dict[str, int]:
    """Detect on all splits, measure the speed on the first one, and write both; the speed is written last.

    Args:
        job: What to detect on.
        on_batch: Called with batches done and batches in all; may raise.
        before_round: Called between rounds of the measurement; may raise.

    Returns:
        Numbers of images and detections.

    Raises:
        BadWeights: the weights do not fit the network that their metadata name.
    """
    snapshot = job.snapshot
    detector = Detector.load(job.weights, read_metadata(job.weights), len(snapshot.classes), job.precision)
    detections = detector.detect_splits(snapshot, job.data, job.splits, on_batch)
    speed = detector.speed(detector.images(snapshot, job.data, job.splits[0]), before_round)
    job.out.mkdir(parents=True, exist_ok=True)
    for split, rows in detections.items():
        publish_bytes(job.out / files.detections(split), json.dumps(rows).encode())
    publish_bytes(job.out / files.SPEED, speed.model_dump_json(indent=1).encode())
    return {
        "images": sum(len(snapshot.of_split(split)) for split in job.splits),
        "detections": sum(map(len, detections.values())),
    }
