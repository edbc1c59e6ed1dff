"""``python -m tasks.training.worker.detect``: detect on splits with a run's weights, and measure how fast that is.

At the end it writes ``<split>.json`` for each split, in the COCO results format, then ``speed.json``, a Speed.
"""

import argparse
import json
import threading
from pathlib import Path
from typing import Any

from tasks.errors import BadSpec, TrainingStopped
from tasks.local import dataset_folder
from tasks.records import SPLITS, DatasetSnapshot, Split
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.process import (
    PRECISIONS,
    heavy_imports,
    leave,
    quiet_libraries,
    run,
    stop_on_request,
)


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, and detect."""
    parser = argparse.ArgumentParser(prog="python -m tasks.training.worker.detect", description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="best.safetensors of a run")
    parser.add_argument("--data", type=Path, required=True, help="dataset folder: snapshot.json and images/")
    parser.add_argument("--splits", nargs="+", choices=SPLITS, required=True, help="splits that have images")
    parser.add_argument("--out", type=Path, required=True, help="folder for the detections and the speed")
    parser.add_argument("--precision", choices=list(PRECISIONS), help="default: what the device computes fastest")
    parser.add_argument("--events", type=Path, help="file or /dev/fd/N for JSON lines about progress")
    parser.add_argument("--stop-with-parent", action="store_true", help="stop when stdin ends")
    options = parser.parse_args(arguments)
    stop = stop_on_request(with_parent=options.stop_with_parent)
    return run(lambda events: detect(options, events, stop), options.events)


def detect(options: argparse.Namespace, events: Events, stop: threading.Event) -> dict[str, Any]:
    """Detect on all splits, measure the speed on the first one, and write the results.

    Args:
        options: The command line.
        events: Where progress is reported.
        stop: Set when a stop is requested.

    Returns:
        Numbers of images and detections.

    Raises:
        TrainingStopped: a stop was requested; nothing was written.
    """
    snapshot = dataset_folder.load(options.data)
    splits: tuple[Split, ...] = tuple(dict.fromkeys(options.splits))
    refuse_empty(snapshot, splits)
    options.out.mkdir(parents=True, exist_ok=True)
    quiet_libraries(options.out)
    with heavy_imports():
        from tasks.training.worker.loop.split_detection import SplitDetection, detect_splits
        from tasks.training.worker.model.weights import read_metadata

    refuse_other_classes(tuple(json.loads(read_metadata(options.weights)["classes"])), snapshot)
    precision = PRECISIONS.get(options.precision or "")
    job = SplitDetection(options.weights, snapshot, options.data, splits, options.out, precision)

    def refuse_if_stopped() -> None:
        if stop.is_set():
            raise TrainingStopped("stopped on request; nothing was written")

    def on_batch(done: int, total: int) -> None:
        refuse_if_stopped()
        events.report("step", step=done, steps=total)

    return detect_splits(job, on_batch, refuse_if_stopped)


def refuse_empty(snapshot: DatasetSnapshot, splits: tuple[Split, ...]) -> None:
    """Refuse a split without images.

    Raises:
        BadSpec: there is one.
    """
    counts = snapshot.counts()
    if empty := [split for split in splits if split not in counts]:
        raise BadSpec(f"no images in {', '.join(empty)}, there are some in {', '.join(counts)}; name these alone")


def refuse_other_classes(classes: tuple[str, ...], snapshot: DatasetSnapshot) -> None:
    """Refuse weights of other classes.

    Raises:
        BadSpec: they are.
    """
    if classes != snapshot.classes:
        raise BadSpec(
            f"the weights know classes {', '.join(classes)}, the snapshot {', '.join(snapshot.classes)}; "
            "they cannot be measured on it"
        )


if __name__ == "__main__":
    leave(main())
