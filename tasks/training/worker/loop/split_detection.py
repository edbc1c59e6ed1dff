"""Detecting on splits with a run's weights, and writing the detections and the speed of the network to files."""

import json
from collections.abc import Callable

from tasks.local.files import publish_bytes
from tasks.records import DatasetSnapshot
from tasks.training.contract import files
from tasks.training.contract.job import DetectionWork
from tasks.training.worker.loop.detector import Detector
from tasks.training.worker.model.weights import read_metadata
from tasks.training.worker.runtime.process import number_format


def detect_splits(
    work: DetectionWork,
    snapshot: DatasetSnapshot,
    on_batch: Callable[[int, int], None],
    before_round: Callable[[], None],
) -> None:
    """Detect on all splits, measure the speed on the first one, and write both; the speed is written last.

    Args:
        work: What to detect on, with which weights.
        snapshot: The images, with the classes of the weights.
        on_batch: Called with batches done and batches in all; may raise.
        before_round: Called between rounds of the measurement; may raise.

    Raises:
        BadWeights: the weights do not fit the network that their metadata name.
    """
    splits, metadata = tuple(dict.fromkeys(work.splits)), read_metadata(work.weights)
    detector = Detector.load(work.weights, metadata, len(snapshot.classes), number_format(work.machine))
    detections = detector.detect_splits(snapshot, work.data, splits, on_batch)
    speed = detector.speed(detector.images(snapshot, work.data, splits[0]), before_round)
    work.out.mkdir(parents=True, exist_ok=True)
    for split, rows in detections.items():
        publish_bytes(work.out / files.detections(split), json.dumps(rows).encode())
    publish_bytes(work.out / files.SPEED, speed.model_dump_json(indent=1).encode())
