"""An evaluation from the store into the store: detections in, numbers and the report page out."""

import json
from pathlib import Path
from typing import Any

from tasks import metrics
from tasks.errors import CorruptObject, LostRace, NasflowError
from tasks.evaluation.measure import measure
from tasks.evaluation.report.page import page_of
from tasks.local.scratch import scratch_folder
from tasks.records import (
    Comparison,
    DatasetSnapshot,
    Detected,
    EpochResult,
    EvaluateJob,
    Evaluation,
    EvaluationReport,
    LabelledImage,
    LearningCurve,
    OperatingPoint,
    PromotionDecision,
    SnapshotRef,
    Split,
    StoredFile,
    ThresholdGoal,
    TrainedModel,
    count_images,
)
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot
from tasks.storage.documents import create_record, find_record, put_record, read_record
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store

Detection = dict[str, Any]


def job_for(model: TrainedModel, snapshot: SnapshotRef, threshold_for: ThresholdGoal = "balance") -> EvaluateJob:
    """Measure on the test split; on the valid split where there is no labelled test split."""
    test = snapshot.splits.get("test")
    split: Split = "test" if test is not None and test.boxes else "valid"
    return EvaluateJob(
        run_key=model.run_key, snapshot_digest=snapshot.snapshot_digest, split=split, threshold_for=threshold_for
    )


def find_evaluation(store: Store, job: EvaluateJob, model: TrainedModel) -> EvaluationReport | None:
    """The report of an evaluation of ``model`` that is done."""
    return find_record(store, keys.evaluation_report(_prefix(job, model)), EvaluationReport)


def _prefix(job: EvaluateJob, model: TrainedModel) -> str:
    return keys.evaluation(job.run_key, job.snapshot_digest, model.spec.snapshot_digest, job.threshold_for)


def _prefix_of(report: EvaluationReport) -> str:
    return report.evaluation.key.removesuffix("report/report.json")


def evaluate_in_store(store: Store, job: EvaluateJob, detected: Detected, settings: WorkSettings) -> EvaluationReport:
    """Score the detections, write the report page, and store both.

    Raises:
        CorruptObject: the detections are not what was stored.
    """
    model = find_model(store, job.run_key)
    if model is None:
        raise NasflowError(f"run {job.run_key[:12]} has no finished model in the store; train it first")
    snapshot = load_snapshot(store, job.snapshot_digest)
    scratch, prefix = settings.work_dir / "scratch", _prefix(job, model)
    evaluation = _evaluate(store, job, detected, snapshot, scratch)
    report = EvaluationReport(
        weights_sha256=model.weights.sha256,
        run_key=job.run_key,
        snapshot_digest=job.snapshot_digest,
        split=job.split,
        counts=evaluation.counts,
        scores=evaluation.scores,
        detections=detected.measured,
        evaluation=_store_numbers(store, evaluation, keys.evaluation_numbers(prefix), scratch),
        speed=detected.speed,
    )
    write_page(store, model, report, scratch)
    try:
        create_record(store, keys.evaluation_report(prefix), report)
    except LostRace:
        return read_record(store, keys.evaluation_report(prefix), EvaluationReport)[0]
    return report


def _evaluate(
    store: Store, job: EvaluateJob, detected: Detected, snapshot: DatasetSnapshot, scratch: Path
) -> Evaluation:
    images = snapshot.of_split(job.split)
    found = _read_detections(store, detected.measured, scratch)
    matches = metrics.Matches(metrics.coco_truth(images, snapshot.classes), found)
    point = _choose_point(store, job, detected, snapshot, matches, scratch)
    where, counts = f"the {job.split} split", count_images(images)
    return measure(matches, found, point, where, counts, detected.speed, snapshot.findings)


def _choose_point(
    store: Store,
    job: EvaluateJob,
    detected: Detected,
    snapshot: DatasetSnapshot,
    matches: metrics.Matches,
    scratch: Path,
) -> OperatingPoint:
    """Thresholds of the valid split; those of the measured one flatter, and are taken only where there is no other."""
    if detected.valid is None:
        return metrics.choose_point(matches, job.threshold_for)
    truth = metrics.coco_truth(snapshot.of_split("valid"), snapshot.classes)
    valid = metrics.Matches(truth, _read_detections(store, detected.valid, scratch))
    return metrics.choose_point(valid, job.threshold_for, chosen_on="valid")


def _store_numbers(store: Store, evaluation: Evaluation, key: str, scratch: Path) -> StoredFile:
    with scratch_folder(scratch) as folder:
        path = folder / "report.json"
        path.write_text(evaluation.model_dump_json())
        return store.upload(path, key, content_type="application/json")


def write_page(
    store: Store,
    model: TrainedModel,
    report: EvaluationReport,
    scratch: Path,
    comparison: Comparison | None = None,
    decision: PromotionDecision | None = None,
    learning: LearningCurve | None = None,
) -> StoredFile:
    """Write the report page of an evaluation beside its numbers; one of its own with a verdict or a learning curve.

    Images are fetched one by one as they are drawn: a page shows a few of thousands.
    """
    snapshot = load_snapshot(store, report.snapshot_digest)
    prefix = _prefix_of(report)
    with scratch_folder(scratch) as folder:
        store.download(report.evaluation, folder / "report.json")
        store.download(model.history, folder / "history.jsonl")

        def path_of(image: LabelledImage) -> Path:
            path = folder / image.sha256
            if not path.exists():
                store.download(StoredFile(key=keys.blob(image.sha256), sha256=image.sha256, size=image.size), path)
            return path

        history = [
            EpochResult.model_validate_json(line) for line in (folder / "history.jsonl").read_text().splitlines()
        ]
        page = page_of(
            folder / "report.html",
            title=f"YOLO-NAS {model.spec.variant.upper()} on {snapshot.source.name}",
            evaluation=Evaluation.model_validate_json((folder / "report.json").read_bytes()),
            images=snapshot.of_split(report.split),
            detections=_read_detections(store, report.detections, scratch),
            image_path=path_of,
            history=history,
            model=model,
            comparison=comparison,
            decision=decision,
            learning=learning,
        )
        return store.upload(page, _page_key(prefix, decision, learning), content_type="text/html; charset=utf-8")


def _page_key(prefix: str, decision: PromotionDecision | None, learning: LearningCurve | None) -> str:
    if learning is not None:
        return keys.study_page(prefix, learning.digest)
    return keys.evaluation_page(prefix) if decision is None else keys.verdict_page(prefix, decision.digest)


def write_curve(store: Store, report: EvaluationReport, learning: LearningCurve) -> str:
    """Keep a learning curve beside the numbers of the model that was trained on all labels; gives its key."""
    key = keys.study_curve(_prefix_of(report), learning.digest)
    put_record(store, key, learning)
    return key


def _read_detections(store: Store, detections: StoredFile, scratch: Path) -> list[Detection]:
    with scratch_folder(scratch) as folder:
        path = folder / "detections.json"
        store.download(detections, path)
        found: list[Detection] = json.loads(path.read_bytes())
    if not isinstance(found, list):
        raise CorruptObject(f"{detections.key}: not a list of detections; delete it and evaluate again")
    return found
