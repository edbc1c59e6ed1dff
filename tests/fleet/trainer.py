"""``python -m tests.fleet.trainer``: behaves as our trainer, and sleeps instead of computing.

Job file, events, checkpoints, files, exit codes, stopping and further jobs are those of ``tasks.training.worker``, by
the same code where it needs no torch. Weights are bytes that the spec and the epoch decide. Of some runs, which the
seed decides, the process kills itself by SIGKILL in the middle, right after a checkpoint.
"""

import argparse
import hashlib
import json
import os
import signal
import time
from pathlib import Path

from tasks import metrics
from tasks.errors import TrainingStopped
from tasks.local import dataset_folder
from tasks.local.files import publish_bytes
from tasks.records import (
    FORMAT_FILES,
    Agreement,
    DatasetSnapshot,
    EpochResult,
    Export,
    ExportedFormat,
    Speed,
    Split,
    TrainingResult,
    TrainingSpec,
)
from tasks.training.contract import files
from tasks.training.contract.events import BatchesDone, CheckpointSaved, EpochDone, Plan, Started, StepDone
from tasks.training.contract.job import DetectionWork, ExportWork, TrainingWork, read_job
from tasks.training.worker.runtime.events import Events
from tasks.training.worker.runtime.process import leave, run
from tasks.training.worker.runtime.requests import Requests
from tasks.training.worker.train import wait_for_lock

SECONDS = float(os.environ.get("FLEET_EPOCH_SECONDS", "0.05"))
"""Time of an epoch."""
WEIGHTS_BYTES = int(os.environ.get("FLEET_WEIGHTS_BYTES", "65536"))
"""Size of the weights. Ours have 76 MB; what grows with a run is the number of objects, and their bytes are known."""
KILLED_EVERY = int(os.environ.get("FLEET_KILLED_EVERY", "10"))
"""One run of so many has its trainer killed once."""
STEPS = 2
AGREEMENT = Agreement(
    images=4, detections=8, unmatched=0, map=0.5, map_difference=0, box_difference=1e-4, score_difference=1e-6
)


def is_killed(seed: int) -> bool:
    """Whether the trainer of the run with this seed is killed once."""
    return seed % KILLED_EVERY == KILLED_EVERY - 1


def main() -> int:
    """Parse the command line of the trainer, and do the job."""
    parser = argparse.ArgumentParser(prog="python -m tests.fleet.trainer", description=__doc__)
    parser.add_argument("--job", type=Path, required=True)
    parser.add_argument("--events", type=Path)
    parser.add_argument("--stop-with-parent", action="store_true")
    options = parser.parse_args()
    requests = Requests(from_stdin=options.stop_with_parent)
    return run(options.job, lambda path, events: work(path, events, requests), options.events, requests)


def work(path: Path, events: Events, requests: Requests) -> TrainingResult | None:
    """Do what a job file says."""
    job = read_job(path)
    if isinstance(job, TrainingWork):
        return train(job, events, requests)
    job.out.mkdir(parents=True, exist_ok=True)
    detect(job, events) if isinstance(job, DetectionWork) else export(job)
    return None


def train(work: TrainingWork, events: Events, requests: Requests) -> TrainingResult:
    """Go on from the last checkpoint to the last epoch, then detect, in a folder that no other process uses."""
    snapshot = dataset_folder.load(work.data)
    work.out.mkdir(parents=True, exist_ok=True)
    if (result := files.read_result(work.out, work.spec)) is not None:
        return result
    with (work.out / ".lock").open("w") as lock:
        wait_for_lock(lock, work.out, requests.stop)
        history = _resumed(work)
        _report_start(work, events, history)
        started_with = len(history)
        while len(history) < work.spec.epochs:
            if requests.stop.is_set():
                raise TrainingStopped("stopped on request; run the same again to go on")
            history.append(_epoch(work, events, len(history) + 1))
            _save(work, events, history)
            if is_killed(work.spec.seed) and started_with == 0 and len(history) == work.spec.epochs // 2:
                time.sleep(SECONDS)  # the parent reads the event, and begins to send the checkpoint
                os.kill(os.getpid(), signal.SIGKILL)
        result = _finish(work, history, started_with)
        detection = DetectionWork(
            data=work.data,
            out=work.out / files.DETECTED,
            weights=work.out / files.BEST,
            splits=work.detect or ("test",),
        )
        if work.detect:
            detection.out.mkdir(exist_ok=True)
            _detect(detection, snapshot, events)
        return result


def _resumed(work: TrainingWork) -> list[EpochResult]:
    """The epochs of last.ckpt, which must be of this run."""
    path = work.out / files.LAST
    if not path.exists():
        return []
    head = json.loads(path.read_bytes().partition(b"\n")[0])
    assert head["run_key"] == work.spec.digest, f"{path}: a checkpoint of another run"
    return [EpochResult.model_validate(epoch) for epoch in head["history"]]


def _report_start(work: TrainingWork, events: Events, history: list[EpochResult]) -> None:
    events.report(
        Plan(
            device="none", machine="a sleeper", devices=1, precision="fp32", batch_size=work.spec.batch_size,
            micro_batch=work.spec.batch_size, loader_workers=0, train_images="nowhere", valid_images="nowhere",
            augmentation=work.spec.augmentation, shortages=(), start=None, versions={},
        )
    )  # fmt: skip
    events.report(
        Started(
            device="none", epochs=work.spec.epochs, epochs_done=len(history), steps_done=0, steps_per_epoch=STEPS,
            resumed_from_epoch=len(history) or None, history=tuple(history), best_epoch=len(history) or None,
        )
    )  # fmt: skip


def _epoch(work: TrainingWork, events: Events, number: int) -> EpochResult:
    epochs = work.spec.epochs
    for step in range(1, STEPS + 1):
        time.sleep(SECONDS / STEPS)
        events.report(
            StepDone(
                epoch=number, epochs=epochs, step=step, steps=STEPS, loss=1 / number, step_images_per_second=100,
                images_per_second=100, seconds_left=SECONDS * (epochs - number),
            )
        )  # fmt: skip
    losses = {"total": 1 / number, "class": 0.5 / number, "iou": 0.3 / number, "dfl": 0.2 / number}
    result = EpochResult(
        epoch=number, losses=losses, valid_losses=losses, map=1 - 1 / (1 + number), map50=1 - 1 / (2 + number),
        precision=0.5, recall=0.5, lr=work.spec.learning_rate, seconds=SECONDS,
    )  # fmt: skip
    events.report(
        EpochDone(
            **result.model_dump(), best_epoch=number, epochs=epochs, seconds_left=SECONDS * (epochs - number),
            peak_memory_bytes=0,
        )
    )  # fmt: skip
    return result


def _weights(spec: TrainingSpec, epoch: int) -> bytes:
    return hashlib.shake_256(f"{spec.digest} {epoch}".encode()).digest(WEIGHTS_BYTES)


def _history(history: list[EpochResult]) -> bytes:
    return "".join(epoch.model_dump_json() + "\n" for epoch in history).encode()


def _save(work: TrainingWork, events: Events, history: list[EpochResult]) -> None:
    """Files in the order of the trainer: history, checkpoint, best weights. A checkpoint has state beside weights."""
    weights = _weights(work.spec, len(history))
    head = {"run_key": work.spec.digest, "history": [epoch.model_dump() for epoch in history]}
    checkpoint = json.dumps(head).encode() + b"\n" + 3 * weights
    publish_bytes(work.out / files.HISTORY, _history(history))
    publish_bytes(work.out / files.LAST, checkpoint)
    sha256 = hashlib.sha256(checkpoint).hexdigest()
    events.report(
        CheckpointSaved(epochs_done=len(history), steps_done=0, sha256=sha256, size=len(checkpoint), seconds=0)
    )
    publish_bytes(work.out / files.BEST, weights)


def _finish(work: TrainingWork, history: list[EpochResult], started_with: int) -> TrainingResult:
    publish_bytes(work.out / files.HISTORY, _history(history))
    weights = _weights(work.spec, len(history))
    publish_bytes(work.out / files.BEST, weights)
    result = TrainingResult(
        run_key=work.spec.digest, epochs_done=len(history), best_epoch=len(history), best_map=history[-1].map,
        ended="epochs", seconds=SECONDS * len(history), images_per_second=100,
        weights_sha256=hashlib.sha256(weights).hexdigest(), resumed_from_epoch=started_with or None, device="none",
        spec=work.spec,
    )  # fmt: skip
    publish_bytes(work.out / files.RESULT, result.model_dump_json(indent=1).encode())
    return result


def detect(work: DetectionWork, events: Events) -> None:
    """Find a share of the labelled boxes that the weights decide."""
    _detect(work, dataset_folder.load(work.data), events)


def _detect(work: DetectionWork, snapshot: DatasetSnapshot, events: Events) -> None:
    share = 0.5 + work.weights.read_bytes()[0] / 512
    for done, split in enumerate(work.splits, start=1):
        publish_bytes(work.out / files.detections(split), json.dumps(_found(snapshot, split, share)).encode())
        events.report(BatchesDone(done=done, total=len(work.splits)))
    speed = Speed(
        device="none", latency_ms=20, latency_p95_ms=30, throughput=60, batch=16, parameters=19_000_000,
        file_bytes=WEIGHTS_BYTES,
    )  # fmt: skip
    publish_bytes(work.out / files.SPEED, speed.model_dump_json().encode())


def _found(snapshot: DatasetSnapshot, split: Split, share: float) -> list[dict]:
    boxes = metrics.coco_ground_truth(snapshot.of_split(split), snapshot.classes)["annotations"]
    return [
        {"image_id": box["image_id"], "category_id": box["category_id"], "bbox": box["bbox"], "score": 0.9}
        for box in boxes[: round(share * len(boxes))]
    ]


def export(work: ExportWork) -> None:
    """Write a small file of each format that needs no processor to compare with."""
    names = [name for name in FORMAT_FILES if name != "onnx-int8"]
    for name in names:
        publish_bytes(work.out / FORMAT_FILES[name], work.weights.read_bytes()[:1024])
    exported = tuple(ExportedFormat(name=name, agreement=AGREEMENT) for name in names)
    content = Export(exported=exported, refused={"onnx-int8": "nothing computes here"})
    publish_bytes(work.out / files.EXPORT, content.model_dump_json(indent=1).encode())


if __name__ == "__main__":
    leave(main())
