"""An evaluation from the store into the store: detections in, scores and the report page out."""

import json
import tempfile
from pathlib import Path
from typing import Any

from tasks import metrics
from tasks.dataset_folder import image_path
from tasks.errors import CorruptObject, LostRace, NasflowError
from tasks.evaluation.pictures import compare_pictures
from tasks.evaluation.report import ReportContent, write_report
from tasks.records import (
    DatasetSnapshot,
    EpochResult,
    EvaluateJob,
    EvaluationReport,
    Scores,
    SnapshotRef,
    Split,
    StoredFile,
    TrainedModel,
    count_images,
)
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_dataset
from tasks.storage.documents import create_record, find_record, read_record
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store

Detection = dict[str, Any]

PICTURES = 12
"""Pictures on the report page."""


def job_for(model: TrainedModel, snapshot: SnapshotRef) -> EvaluateJob:
    """Measure on the test split; on the valid split where there is no labelled test split."""
    test = snapshot.splits.get("test")
    split: Split = "test" if test is not None and test.boxes else "valid"
    return EvaluateJob(run_key=model.run_key, snapshot_digest=snapshot.snapshot_digest, split=split)


def find_evaluation(store: Store, job: EvaluateJob, model: TrainedModel) -> EvaluationReport | None:
    """The report of an evaluation of ``model`` that is done."""
    key = keys.evaluation_report(job.run_key, job.snapshot_digest, model.spec.snapshot_digest)
    return find_record(store, key, EvaluationReport)


def evaluate_in_store(
    store: Store, job: EvaluateJob, detections: StoredFile, settings: WorkSettings
) -> EvaluationReport:
    """Score the detections, write the report page, and store both.

    Raises:
        CorruptObject: the detections are not what was stored.
    """
    model = find_model(store, job.run_key)
    if model is None:
        raise NasflowError(f"run {job.run_key[:12]} has no finished model in the store; train it first")
    trained_on = model.spec.snapshot_digest
    with tempfile.TemporaryDirectory(dir=_made(settings.work_dir / "scratch")) as name:
        folder = Path(name)
        data = folder / "dataset"
        snapshot = fetch_dataset(store, job.snapshot_digest, data, BlobCache.of(settings))
        found = _read_detections(store, detections, folder / "detections.json")
        images = snapshot.of_split(job.split)
        scores = metrics.score(metrics.coco_truth(images, snapshot.classes), found, intervals=True)
        page = folder / "report.html"
        _write_page(page, job, model, snapshot, scores, found, data, _read_history(store, model, folder))
        stored = store.upload(
            page,
            keys.evaluation_page(job.run_key, job.snapshot_digest, trained_on),
            content_type="text/html; charset=utf-8",
        )
    report = EvaluationReport(
        weights_sha256=model.weights.sha256,
        run_key=job.run_key,
        snapshot_digest=job.snapshot_digest,
        split=job.split,
        counts=count_images(images),
        scores=scores,
        detections=detections,
        report=stored,
    )
    key = keys.evaluation_report(job.run_key, job.snapshot_digest, trained_on)
    try:
        create_record(store, key, report)
    except LostRace:
        return read_record(store, key, EvaluationReport)[0]
    return report


def _write_page(
    page: Path,
    job: EvaluateJob,
    model: TrainedModel,
    snapshot: DatasetSnapshot,
    scores: Scores,
    found: list[Detection],
    data: Path,
    history: list[EpochResult],
) -> None:
    images = snapshot.of_split(job.split)
    content = ReportContent(
        title=f"YOLO-NAS {model.spec.variant.upper()} on {snapshot.source.name}",
        measured_on=f"the {job.split} split",
        counts=count_images(images),
        scores=scores,
        history=history,
        spec=model.spec,
        result=model.result,
        pictures=compare_pictures(
            images, snapshot.classes, found, scores.threshold, lambda image: image_path(data, image), PICTURES
        ),
    )
    write_report(page, content)


def _read_detections(store: Store, detections: StoredFile, path: Path) -> list[Detection]:
    store.download(detections, path)
    found: list[Detection] = json.loads(path.read_bytes())
    if not isinstance(found, list):
        raise CorruptObject(f"{detections.key}: not a list of detections; delete it and evaluate again")
    return found


def _read_history(store: Store, model: TrainedModel, folder: Path) -> list[EpochResult]:
    path = folder / "history.jsonl"
    store.download(model.history, path)
    return [EpochResult.model_validate_json(line) for line in path.read_text().splitlines()]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
