"""``python -m tasks.training.worker.detect``: a run's weights on one split, to a COCO results file."""

import argparse
import json
import os
import threading
from pathlib import Path
from typing import Any

from tasks import dataset_folder
from tasks.dataset_folder import publish_bytes
from tasks.errors import BadSpec, TrainingStopped
from tasks.records import SPLITS
from tasks.training.worker.events import Events
from tasks.training.worker.process import PRECISIONS, leave, quiet_libraries, run, stop_on_request

BATCH_SIZE = 16


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, and detect."""
    parser = argparse.ArgumentParser(prog="python -m tasks.training.worker.detect", description=__doc__)
    parser.add_argument("--weights", type=Path, required=True, help="best.safetensors of a run")
    parser.add_argument("--data", type=Path, required=True, help="dataset folder: snapshot.json and images/")
    parser.add_argument("--split", choices=SPLITS, required=True)
    parser.add_argument("--out", type=Path, required=True, help="file for the detections")
    parser.add_argument("--precision", choices=list(PRECISIONS), help="default: what the device computes fastest")
    parser.add_argument("--events", type=Path, help="file or /dev/fd/N for JSON lines about progress")
    parser.add_argument("--stop-with-parent", action="store_true", help="stop when stdin ends")
    given = parser.parse_args(arguments)
    stop = stop_on_request(with_parent=given.stop_with_parent)
    return run(lambda events: detect(given, events, stop), given.events)


def detect(given: argparse.Namespace, events: Events, stop: threading.Event) -> dict[str, Any]:
    """Load the weights, go over the split, publish the detections."""
    snapshot = dataset_folder.load(given.data)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    quiet_libraries(given.out.parent)
    from tasks.training.worker.batches import plain_loader
    from tasks.training.worker.device import choose_device, make_computer
    from tasks.training.worker.network import build_network
    from tasks.training.worker.pictures import PictureFolder, PlainPictures
    from tasks.training.worker.team import Team
    from tasks.training.worker.validate import run_over
    from tasks.training.worker.weights import load_all, read_metadata

    metadata = read_metadata(given.weights)
    if (classes := tuple(json.loads(metadata["classes"]))) != snapshot.classes:
        raise BadSpec(
            f"the weights know classes {', '.join(classes)}, the snapshot {', '.join(snapshot.classes)}; "
            "they cannot be measured on it"
        )
    network = build_network(metadata["variant"], len(classes))
    load_all(network, given.weights)
    device = choose_device(PRECISIONS.get(given.precision or ""))
    computer = make_computer(device)
    network = computer.fabric.to_device(network).to(memory_format=device.memory_format)
    size = int(metadata["image_size"])
    images = snapshot.of_split(given.split)
    workers = min(8, (os.cpu_count() or 1) - 1) if device.accelerator == "cuda" else 0
    loader = plain_loader(PlainPictures(PictureFolder(given.data, images, size)), BATCH_SIZE, workers)

    def on_batch(done: int, total: int) -> None:
        if stop.is_set():
            raise TrainingStopped("stopped on request; nothing was written")
        events.tell("step", step=done, steps=total)

    found = run_over(
        loader, network, images, size=size, computer=computer, team=Team(computer.fabric), on_batch=on_batch
    )
    publish_bytes(given.out, json.dumps(found.detections).encode())
    return {"pictures": len(images), "detections": len(found.detections)}


if __name__ == "__main__":
    leave(main())
