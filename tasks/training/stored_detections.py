"""Detections with a finished run's weights in the store: found, or stored by who detected, for all who score them."""

from pathlib import Path

from tasks.records import DatasetSnapshot, DetectionResult, EvaluateJob, Speed, Split, TrainedModel
from tasks.storage import keys
from tasks.storage.documents import find_record, put_record
from tasks.storage.s3 import Store
from tasks.training.contract import files


def splits_to_detect(job: EvaluateJob, snapshot: DatasetSnapshot) -> tuple[Split, ...]:
    """The split to be measured, and after test the valid split if it has labelled boxes."""
    valid = snapshot.counts().get("valid")
    return ("test", "valid") if job.split == "test" and valid and valid.boxes else (job.split,)


def find_detections(store: Store, job: EvaluateJob, model: TrainedModel) -> DetectionResult | None:
    """Find what was detected already.

    Args:
        store: Store of the run.
        job: The run, the snapshot and the split.
        model: The model of the run.

    Returns:
        The detections and the speed; None if they are not there, or not whole.
    """
    result = find_record(store, _key(job, model), DetectionResult)
    if result is None:
        return None
    files_of_it = [file for file in (result.measured, result.valid) if file]
    return result if all(store.exists(file.key) for file in files_of_it) else None


def store_detections(
    store: Store, job: EvaluateJob, model: TrainedModel, splits: tuple[Split, ...], folder: Path
) -> DetectionResult:
    """Store what was detected.

    Args:
        store: Store of the run.
        job: The run, the snapshot and the split.
        model: The model of the run.
        splits: The splits, as ``splits_to_detect`` gives them.
        folder: Folder with a file for each split, and the speed.

    Returns:
        The detections and the speed.
    """
    stored = {
        split: store.upload(
            folder / files.detections(split),
            lambda sha256: keys.detections(job.run_key, job.snapshot_digest, sha256),
            content_type="application/json",
            is_new=True,
        )
        for split in splits
    }
    speed = Speed.model_validate_json((folder / files.SPEED).read_bytes())
    valid = stored.get("valid") if job.split == "test" else None
    result = DetectionResult(measured=stored[job.split], valid=valid, speed=speed)
    put_record(store, _key(job, model), result)
    return result


def _key(job: EvaluateJob, model: TrainedModel) -> str:
    return keys.detection_result(job.run_key, job.snapshot_digest, model.weights.sha256, job.split, job.scoring)
