"""Detecting in the trainer's process, with a run's weights, and measuring how fast that is.

At the end it writes ``<split>.json`` for each split, in the COCO results format, then ``speed.json``, a Speed.
"""

import json
import threading

from tasks.errors import TrainingStopped
from tasks.local import dataset_folder
from tasks.training.contract.events import BatchesDone
from tasks.training.contract.job import DetectionWork
from tasks.training.worker.checks import refuse_empty, refuse_other_classes
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.process import heavy_imports, quiet_libraries


def detect(work: DetectionWork, events: Events, stop: threading.Event) -> None:
    """Detect on all splits, measure the speed on the first one, and write the results.

    Args:
        work: What to detect on.
        events: Where progress is reported.
        stop: Set when a stop is requested.

    Raises:
        TrainingStopped: a stop was requested; nothing was written.
    """
    snapshot = dataset_folder.load(work.data)
    refuse_empty(snapshot, work.splits)
    work.out.mkdir(parents=True, exist_ok=True)
    quiet_libraries(work.out)
    with heavy_imports():
        from tasks.training.worker.loop.split_detection import detect_splits
        from tasks.training.worker.model.weights import read_metadata

    refuse_other_classes(tuple(json.loads(read_metadata(work.weights)["classes"])), snapshot)

    def refuse_if_stopped() -> None:
        if stop.is_set():
            raise TrainingStopped("stopped on request; nothing was written")

    def on_batch(done: int, total: int) -> None:
        refuse_if_stopped()
        events.report(BatchesDone(done=done, total=total))

    detect_splits(work, snapshot, on_batch, refuse_if_stopped)
