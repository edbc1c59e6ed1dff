"""Detection with a finished run's weights on a worker: from the store, through the detector process, into the store."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from tasks.errors import NasflowError
from tasks.records import DatasetSnapshot, DetectionResult, EvaluateJob, Speed, Split
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_dataset
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tasks.training import files
from tasks.training.initial_weights import fetch_file
from tasks.training.launch import DETECT, detect_arguments
from tasks.training.trainer_process import Event, run_to_end


def detect_in_store(
    store: Store, job: EvaluateJob, settings: WorkSettings, on_event: Callable[[Event], None]
) -> DetectionResult:
    """Run a finished run's best weights over the split to be measured, and store the detections.

    For the test split they run over the valid split, too, where that is labelled: thresholds are chosen there.

    Args:
        store: The object store.
        job: The run, the snapshot and the split.
        settings: Settings of this machine.
        on_event: Called with every event of the detector.

    Returns:
        Where the detections are, and how fast the model is.

    Raises:
        NasflowError: the run is not finished, or its weights do not fit the snapshot.
    """
    model = find_model(store, job.run_key)
    if model is None:
        raise NasflowError(f"run {job.run_key[:12]} has no finished model in the store; train it first")
    weights = fetch_file(store, model.weights.key, model.weights.sha256, settings.work_dir / "weights")
    name = f"{job.run_key[:16]}-{job.snapshot_digest[:16]}-{os.getpid()}"
    folder = settings.work_dir / "detections" / name
    data, out = folder / files.DATASET, folder / "out"
    splits = splits_to_detect(job, fetch_dataset(store, job.snapshot_digest, data, BlobCache.of(settings)))
    arguments = detect_arguments(weights, data, splits, out, settings)
    run_to_end(DETECT, arguments, folder / files.LOG, on_event)
    result = _store_detections(store, job, splits, out)
    shutil.rmtree(folder, ignore_errors=True)
    return result


def splits_to_detect(job: EvaluateJob, snapshot: DatasetSnapshot) -> tuple[Split, ...]:
    """The split to be measured, and after test the valid split if it has labelled boxes."""
    valid = snapshot.counts().get("valid")
    return ("test", "valid") if job.split == "test" and valid and valid.boxes else (job.split,)


def _store_detections(store: Store, job: EvaluateJob, splits: tuple[Split, ...], out: Path) -> DetectionResult:
    stored = {
        split: store.upload(
            out / files.detections(split),
            lambda sha256: keys.detections(job.run_key, job.snapshot_digest, sha256),
            content_type="application/json",
        )
        for split in splits
    }
    speed = Speed.model_validate_json((out / files.SPEED).read_bytes())
    valid = stored.get("valid") if job.split == "test" else None
    return DetectionResult(measured=stored[job.split], valid=valid, speed=speed)
