"""``python -m tasks.training.worker``: train what spec.json says on a dataset folder, or resume it.

The same command again resumes from last.ckpt. After the end it changes nothing and reports the same result. With
``--detect`` it then detects with the best weights, while torch is loaded.
"""

import argparse
import fcntl
import gc
import math
import os
import threading
import traceback
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tasks.errors import BadSpec, BadWeights, NotLearning, TrainingStopped
from tasks.local import dataset_folder
from tasks.local.files import file_sha256
from tasks.records import SPLITS, DatasetSnapshot, TrainingSpec
from tasks.training import files
from tasks.training.fit import reduce_fit
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.process import (
    EXIT_CODES,
    PRECISIONS,
    first_line,
    heavy_imports,
    leave,
    quiet_libraries,
    run,
    shortage_of,
    stop_on_request,
)
from tasks.training.worker.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from tasks.training.worker.loop.job import Supervision

LOCK_SECONDS = 60
"""How long to wait for another trainer in the same folder."""


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, and train."""
    parser = argparse.ArgumentParser(prog="python -m tasks.training.worker", description=__doc__)
    parser.add_argument("--spec", type=Path, required=True, help="spec.json, a TrainingSpec")
    parser.add_argument("--data", type=Path, required=True, help="dataset folder: snapshot.json and images/")
    parser.add_argument("--out", type=Path, required=True, help="folder for what the run writes")
    parser.add_argument("--weights", type=Path, help="weights to start from; the spec names their SHA-256")
    parser.add_argument("--weights-source", help="where they came from, for the result; default: their path")
    parser.add_argument("--weights-licence", help="their licence, for the result and the model")
    parser.add_argument("--events", type=Path, help="file or /dev/fd/N for JSON lines about progress")
    parser.add_argument(
        "--checkpoint-every-minutes", type=positive, default=10.0, help="at most; short epochs have one a minute"
    )
    parser.add_argument("--loader-workers", type=count, help="processes that load images; default: as the device needs")
    parser.add_argument("--devices", type=one_or_more, default=1, help="GPUs that share each batch")
    parser.add_argument("--compile", action="store_true", help="torch.compile the network first, which takes minutes")
    parser.add_argument("--detect", nargs="+", choices=SPLITS, default=[], help="splits to detect on after the end")
    parser.add_argument("--precision", choices=list(PRECISIONS), help="default: what the device computes fastest")
    parser.add_argument(
        "--watchdog-seconds", type=positive, default=900.0, help="end a trainer without a step for so long"
    )
    parser.add_argument("--stop-with-parent", action="store_true", help="stop when stdin ends")
    options = parser.parse_args(arguments)
    stop = stop_on_request(with_parent=options.stop_with_parent)
    return run(lambda events: train(options, events, stop), options.events if is_main_process() else None)


def is_main_process() -> bool:
    """Whether a person or a parent started this process, and not a trainer for one more device."""
    return os.environ.get("LOCAL_RANK", "0") == "0"


def positive(text: str) -> float:
    """Parse a number above zero."""
    if not 0 < float(text) < math.inf:
        raise ValueError
    return float(text)


def count(text: str) -> int:
    """Parse a whole number from zero."""
    if int(text) < 0:
        raise ValueError
    return int(text)


def one_or_more(text: str) -> int:
    """Parse a whole number from one."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def train(options: argparse.Namespace, events: Events, stop: threading.Event) -> dict[str, Any]:
    """Check the job before anything heavy is loaded, then train.

    Args:
        options: The command line.
        events: Where progress is reported.
        stop: Set when a stop is requested.

    Returns:
        The TrainingResult as JSON.
    """
    spec = files.read_spec(options.spec)
    snapshot = dataset_folder.load(options.data)
    check_snapshot(spec, snapshot)
    options.out.mkdir(parents=True, exist_ok=True)
    if (result := files.read_result(options.out, spec)) is not None:
        return result.model_dump(mode="json")
    check_weights(spec, options.weights)
    if not is_main_process():  # the process that started this one holds the folder's lock
        return train_in_folder(options, spec, snapshot, events, stop)
    with (options.out / ".lock").open("w") as lock:
        wait_for_lock(lock, options.out, stop)
        # The trainer that held the lock may have finished the run.
        if (result := files.read_result(options.out, spec)) is not None:
            return result.model_dump(mode="json")
        for unfinished in options.out.glob(".*.tmp"):  # of a trainer that was killed while it wrote
            unfinished.unlink()
        return train_in_folder(options, spec, snapshot, events, stop)


def train_in_folder(
    options: argparse.Namespace, spec: TrainingSpec, snapshot: DatasetSnapshot, events: Events, stop: threading.Event
) -> dict[str, Any]:
    """Train in a folder that no other process uses.

    Args:
        options: The command line.
        spec: The run.
        snapshot: Its images.
        events: Where progress is reported.
        stop: Set when a stop is requested.

    Returns:
        The TrainingResult as JSON.
    """
    quiet_libraries(options.out)
    # -P of this process, for its child processes: the working folder may have a tasks.py of its own.
    os.environ["PYTHONSAFEPATH"] = "1"
    with heavy_imports():
        from tasks.training.worker.loop.job import Options, RunJob, Supervision
        from tasks.training.worker.loop.training import TrainingRun
        from tasks.training.worker.runtime.device import choose_device

    machine = Options(
        device=choose_device(PRECISIONS.get(options.precision or ""), options.devices),
        loader_workers=options.loader_workers,
        checkpoint_seconds=options.checkpoint_every_minutes * 60,
        compiled=options.compile,
    )
    supervision = Supervision(events, stop, Watchdog(options.watchdog_seconds))
    training = TrainingRun(RunJob(spec, snapshot, options.data, options.out), machine, supervision)
    try:
        if spec.weights_sha256:
            source = options.weights_source or str(options.weights)
            training.start_from(options.weights, source, options.weights_licence)
        result = training.train()
    except Exception as error:
        if (shortage := shortage_of(error)) is None:
            raise
        traceback.print_exc()
        raise reduce_fit(options.out, training.fit, shortage) from None
    if options.detect and machine.device.count == 1:  # of several processes, this one would be left alone
        del training
        detect_after_training(options, snapshot, supervision)
    supervision.watchdog.stop()
    return result.model_dump(mode="json")


def detect_after_training(options: argparse.Namespace, snapshot: DatasetSnapshot, supervision: "Supervision") -> None:
    """Detect with the best weights. The model is finished, so that an error is logged, and another process detects.

    Args:
        options: The command line.
        snapshot: The images.
        supervision: How this is reported, and stopped.

    Raises:
        TrainingStopped: a stop was requested.
    """
    from tasks.training.worker.loop.split_detection import SplitDetection, detect_splits

    gc.collect()  # networks and optimizer refer to each other
    events, out = supervision.events, options.out
    splits, precision = tuple(dict.fromkeys(options.detect)), PRECISIONS.get(options.precision or "")
    job = SplitDetection(out / files.BEST, snapshot, options.data, splits, out / files.DETECTED, precision)

    def refuse_if_stopped() -> None:
        supervision.watchdog.heartbeat()
        if supervision.stop.is_set():
            raise TrainingStopped("stopped on request; the model is finished")

    def on_batch(done: int, total: int) -> None:
        refuse_if_stopped()
        events.report("detect", step=done, steps=total)

    try:
        detect_splits(job, on_batch, refuse_if_stopped)
    except TrainingStopped:
        raise
    except Exception as error:  # noqa: BLE001, whatever it is, training succeeded
        traceback.print_exc()
        why = f"{type(error).__name__}: {first_line(error)}"
        events.report("log", message=f"detecting after training failed, another process does it: {why}")


def wait_for_lock(lock: IO[str], folder: Path, stop: threading.Event) -> None:
    """Lock the folder for the life of this process. A trainer that is stopping gets time to write its checkpoint.

    Args:
        lock: The open lock file.
        folder: The run's folder.
        stop: Set when a stop is requested.

    Raises:
        BadSpec: another trainer keeps the folder.
        TrainingStopped: a stop was requested meanwhile.
    """
    for _ in range(LOCK_SECONDS):
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if stop.wait(1):
                raise TrainingStopped(f"{folder}: stopped on request, before training began") from None
    raise BadSpec(f"{folder}: another trainer works in this folder; wait for it, or stop it")


def check_snapshot(spec: TrainingSpec, snapshot: DatasetSnapshot) -> None:
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
    for image in snapshot.images:
        for box in image.boxes:
            if not 0 <= box.class_index < len(spec.classes):
                raise BadSpec(
                    f"image {image.file_name} ({image.split}) has a box with class index {box.class_index}, "
                    f"but there are {len(spec.classes)} classes, counted from 0; export again"
                )


def check_weights(spec: TrainingSpec, weights: Path | None) -> None:
    """Refuse weights other than those that the spec names.

    Raises:
        BadSpec: the spec names weights and none are given, or the other way round.
        BadWeights: not there, or with another SHA-256.
    """
    if (spec.weights_sha256 is None) != (weights is None):
        raise BadSpec("weights and their SHA-256 in the spec go together; give both or neither")
    if weights is None:
        return
    if not weights.is_file():
        raise BadWeights(f"weights {weights}: no such file; correct the path, or start without weights")
    if (sha256 := file_sha256(weights)) != spec.weights_sha256:
        raise BadWeights(f"weights {weights}: SHA-256 is {sha256}, expected {spec.weights_sha256}; fetch it again")


def process_exit_code(code: int) -> int:
    """The exit code of this process. Of a process for one more device it is 0 where all processes end together.

    For any other code lightning-fabric kills the main process, which may be writing the checkpoint.
    """
    together = code in (EXIT_CODES[TrainingStopped], EXIT_CODES[NotLearning])
    return 0 if together and not is_main_process() else code


if __name__ == "__main__":
    leave(process_exit_code(main()))
