"""``python -m tasks.training.worker``: train what spec.json says on a dataset folder, or go on with it.

The same command again resumes from last.ckpt; after the end it changes nothing and says the same result.
"""

import argparse
import fcntl
import sys
import time
from pathlib import Path
from typing import IO, Any

from tasks import dataset_folder
from tasks.errors import BadSpec
from tasks.records import DatasetSnapshot, TrainingSpec
from tasks.training import files
from tasks.training.worker.events import Events
from tasks.training.worker.process import quiet_libraries, run, stop_on_request

LOCK_SECONDS = 60
"""How long to wait for another trainer in the same folder."""


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, and train."""
    parser = argparse.ArgumentParser(prog="python -m tasks.training.worker", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="spec.json, a TrainingSpec")
    parser.add_argument("--data", type=Path, required=True, help="dataset folder: snapshot.json and images/")
    parser.add_argument("--out", type=Path, required=True, help="folder for what the run writes")
    parser.add_argument("--weights", type=Path, help="weights to start from; the spec names their SHA-256")
    parser.add_argument("--events", type=Path, help="file or /dev/fd/N for JSON lines about progress")
    parser.add_argument("--stop-with-parent", action="store_true", help="stop when stdin ends")
    given = parser.parse_args(arguments)
    stop = stop_on_request(with_parent=given.stop_with_parent)
    events = Events(given.events)
    return run(lambda: train(given, events, stop), events)


def train(given: argparse.Namespace, events: Events, stop: Any) -> dict[str, Any]:
    """Check what was given before anything heavy is loaded, then train."""
    spec = files.read_spec(given.spec)
    snapshot = dataset_folder.load(given.data)
    check_fit(spec, snapshot, given.weights)
    given.out.mkdir(parents=True, exist_ok=True)
    if (result := files.read_result(given.out, spec.digest)) is not None:
        return result.model_dump(mode="json")
    with (given.out / ".lock").open("w") as lock:
        wait_for_lock(lock, given.out)
        quiet_libraries(given.out)
        from tasks.training.worker.device import choose_device
        from tasks.training.worker.loop import TrainingRun

        device = choose_device()
        training = TrainingRun(spec, snapshot, given.data, given.out, device=device, events=events, stop=stop)
        if spec.weights_sha256:
            training.start_from(given.weights, spec.weights_sha256)
        return training.train().model_dump(mode="json")


def wait_for_lock(lock: IO[str], folder: Path) -> None:
    """Take the folder for as long as this process lives; one that is stopping gets time to write its checkpoint.

    Raises:
        BadSpec: another trainer keeps the folder.
    """
    for _ in range(LOCK_SECONDS):
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(1)
    raise BadSpec(f"{folder}: another trainer works in this folder; wait for it, or stop it")


def check_fit(spec: TrainingSpec, snapshot: DatasetSnapshot, weights: Path | None) -> None:
    """Refuse a spec that does not belong to the dataset folder, or labels that cannot be trained on.

    Raises:
        BadSpec: with what does not fit.
    """
    if spec.snapshot_digest != snapshot.digest:
        raise BadSpec(
            f"the spec is for snapshot {spec.snapshot_digest[:12]}, the dataset folder holds {snapshot.digest[:12]}; "
            "take the folder that belongs to the spec"
        )
    if spec.classes != snapshot.classes:
        raise BadSpec(f"the spec has classes {spec.classes}, the snapshot {snapshot.classes}; plan the spec again")
    for split in ("train", "valid"):
        if not any(image.boxes for image in snapshot.of_split(split)):
            raise BadSpec(f"split {split} has no labelled boxes, so there is nothing to learn or measure; label some")
    highest = max(box.class_index for image in snapshot.images for box in image.boxes)
    if highest >= len(spec.classes):
        raise BadSpec(f"a box has class index {highest}, but there are {len(spec.classes)} classes; export again")
    if (spec.weights_sha256 is None) != (weights is None):
        raise BadSpec("weights and their SHA-256 in the spec go together; give both or neither")


if __name__ == "__main__":
    sys.exit(main())
