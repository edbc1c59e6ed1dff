"""Training in the trainer's process: checks before anything heavy is loaded, the folder's lock, detection afterwards.

Training itself is in ``loop``.
"""

import fcntl
import gc
import os
import threading
import traceback
from pathlib import Path
from typing import IO

from tasks.errors import BadSpec, TrainingStopped
from tasks.local import dataset_folder
from tasks.records import TrainingResult
from tasks.training.contract import files
from tasks.training.contract.events import BatchesDone, LogLine
from tasks.training.contract.fit import reduce_fit
from tasks.training.contract.job import DetectionWork, TrainingWork
from tasks.training.worker.checks import check_snapshot, check_weights
from tasks.training.worker.run_job import RunJob, Supervision
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.process import (
    first_line,
    heavy_imports,
    is_main_process,
    number_format,
    quiet_libraries,
    shortage_of,
)
from tasks.training.worker.runtime.requests import Requests
from tasks.training.worker.runtime.watchdog import Watchdog

LOCK_SECONDS = 60
"""How long to wait for another trainer in the same folder."""


def train(work: TrainingWork, events: Events, requests: Requests) -> TrainingResult:
    """Check the job before anything heavy is loaded, then train.

    Args:
        work: What to train.
        events: Where progress is reported.
        requests: Says when a stop is requested.

    Returns:
        The result.
    """
    snapshot, out = dataset_folder.load(work.data), work.out
    check_snapshot(work.spec, snapshot)
    out.mkdir(parents=True, exist_ok=True)
    if (result := files.read_result(out, work.spec)) is not None:
        return result
    check_weights(work.spec, work.weights.file if work.weights else None)
    job = RunJob(work, snapshot)
    if not is_main_process():  # the process that started this one holds the folder's lock
        return train_in_folder(job, events, requests)
    with (out / ".lock").open("w") as lock:
        wait_for_lock(lock, out, requests.stop)
        # The trainer that held the lock may have finished the run.
        if (result := files.read_result(out, work.spec)) is not None:
            return result
        for unfinished in out.glob(".*.tmp"):  # of a trainer that was killed while it wrote
            unfinished.unlink()
        return train_in_folder(job, events, requests)


def train_in_folder(job: RunJob, events: Events, requests: Requests) -> TrainingResult:
    """Train in a folder that no other process uses.

    Args:
        job: What is trained, on which images.
        events: Where progress is reported.
        requests: Says when a stop is requested.

    Returns:
        The result.
    """
    work = job.work
    quiet_libraries(job.out)
    # -P of this process, for its child processes: the working folder may have a tasks.py of its own.
    os.environ["PYTHONSAFEPATH"] = "1"
    with heavy_imports():
        from tasks.training.worker.loop.training import TrainingRun
        from tasks.training.worker.runtime.device import choose_device

    device = choose_device(number_format(work.machine), work.machine.devices)
    if device.count > 1:  # the other processes end with this run
        requests.take_no_more()
    supervision = Supervision(events, requests.stop, Watchdog(work.watchdog_seconds))
    training = TrainingRun(job, device, supervision)
    try:
        if work.weights:
            training.start_from(work.weights)
        result = training.train()
    except Exception as error:
        if (shortage := shortage_of(error)) is None:
            raise
        traceback.print_exc()
        raise reduce_fit(job.out, training.fit, shortage) from None
    if work.detect and device.count == 1:  # of several processes, this one would be left alone
        del training
        detect_after_training(job, supervision)
    supervision.watchdog.stop()
    return result


def detect_after_training(job: RunJob, supervision: Supervision) -> None:
    """Detect with the best weights. The model is finished, so that an error is logged, and another process detects.

    Args:
        job: The run.
        supervision: How this is reported, and stopped.

    Raises:
        TrainingStopped: a stop was requested.
    """
    from tasks.training.worker.loop.split_detection import detect_splits

    gc.collect()  # networks and optimizer refer to each other
    events, work = supervision.events, job.work
    detection = DetectionWork(
        data=work.data, out=work.out / files.DETECTED, machine=work.machine, weights=work.out / files.BEST,
        splits=work.detect,
    )  # fmt: skip

    def refuse_if_stopped() -> None:
        supervision.watchdog.heartbeat()
        if supervision.stop.is_set():
            raise TrainingStopped("stopped on request; the model is finished")

    def on_batch(done: int, total: int) -> None:
        refuse_if_stopped()
        events.report(BatchesDone(done=done, total=total))

    try:
        detect_splits(detection, job.snapshot, on_batch, refuse_if_stopped)
    except TrainingStopped:
        raise
    except Exception as error:  # noqa: BLE001, whatever it is, training succeeded
        traceback.print_exc()
        why = f"{type(error).__name__}: {first_line(error)}"
        events.report(LogLine(message=f"detecting after training failed, another process does it: {why}"))


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
