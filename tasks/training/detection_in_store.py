"""Detection with a finished run's weights on a worker: from the store, through the detector process, into the store."""

import os
import shutil
from collections.abc import Callable

from tasks.errors import NasflowError
from tasks.metrics.scoring_number import require_present_scoring
from tasks.records import DetectionResult, EvaluateJob
from tasks.settings import WorkSettings
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_dataset
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tasks.training.contract import files
from tasks.training.contract.events import Event
from tasks.training.contract.job import DetectionWork
from tasks.training.initial_weights import fetch_file
from tasks.training.stored_detections import find_detections, splits_to_detect, store_detections
from tasks.training.trainer_jobs import run_to_end


def detect_in_store(
    store: Store, job: EvaluateJob, settings: WorkSettings, on_event: Callable[[Event], None]
) -> DetectionResult:
    """Run a finished run's best weights over the split to be measured, and store the detections.

    For the test split they run over the valid split, too, where that is labelled: thresholds are chosen there. What was
    detected before, right after training or for another threshold, is used again.

    Args:
        store: The object store.
        job: The run, the snapshot and the split.
        settings: Settings of this machine.
        on_event: Called with every event of the detector.

    Returns:
        Where the detections are, and how fast the model is.

    Raises:
        BadSpec: another nasflow asked for it, whose scoring has another number.
        NasflowError: the run is not finished, or its weights do not fit the snapshot.
    """
    model = find_model(store, job.run_key)
    if model is None:
        raise NasflowError(f"run {job.run_key[:12]} has no finished model in the store; train it first")
    if detected := find_detections(store, job, model):
        return detected
    require_present_scoring(job)
    weights = fetch_file(store, model.weights.key, model.weights.sha256, settings.work_dir / "weights")
    name = f"{job.run_key[:16]}-{job.snapshot_digest[:16]}-{os.getpid()}"
    folder = settings.work_dir / "detections" / name
    data, out = folder / files.DATASET, folder / "out"
    splits = splits_to_detect(job, fetch_dataset(store, job.snapshot_digest, data, BlobCache.of(settings)))
    work = DetectionWork(data=data, out=out, machine=settings.machine, weights=weights, splits=splits)
    run_to_end(work, folder, on_event)
    result = store_detections(store, job, model, splits, out)
    shutil.rmtree(folder, ignore_errors=True)
    return result
