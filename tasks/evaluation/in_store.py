"""An evaluation from the store to the store: detections in, scores and the report page out."""

from pathlib import Path

from tasks import metrics
from tasks.errors import LostRace, NasflowError
from tasks.evaluation.measure import MeasuredImages, measure
from tasks.evaluation.page_in_store import Detection, evaluation_folder, read_detections, write_page
from tasks.local.scratch import scratch_folder
from tasks.metrics.scoring_number import SCORING, require_present_scoring
from tasks.records import (
    DatasetSnapshot,
    DetectionResult,
    EvaluateJob,
    Evaluation,
    EvaluationReport,
    OperatingPoint,
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
from tasks.storage.documents import create_record, find_record, read_record, replace_record
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store


def job_for(
    run_key: str, snapshot: SnapshotRef, threshold_for: ThresholdGoal = "balance", *, export: bool = False
) -> EvaluateJob:
    """Choose the split to measure on: test, or valid if there is no labelled test split; by the present scoring.

    Args:
        run_key: The run whose model is measured.
        snapshot: The snapshot to measure on.
        threshold_for: What the confidence thresholds are chosen for.
        export: Whether the model is exported in all formats, too.

    Returns:
        The parameter of the evaluate deployment.
    """
    test = snapshot.splits.get("test")
    split: Split = "test" if test is not None and test.boxes else "valid"
    return EvaluateJob(
        run_key=run_key,
        snapshot_digest=snapshot.snapshot_digest,
        split=split,
        threshold_for=threshold_for,
        export=export,
        scoring=SCORING,
    )


def find_evaluation(store: Store, job: EvaluateJob, model: TrainedModel) -> EvaluationReport | None:
    """Find the report of an evaluation that is done.

    Args:
        store: Store of the run.
        job: The evaluation.
        model: The model of the run.

    Returns:
        The report; None if the evaluation is not done, or if it cannot be used any more.
    """
    report = find_record(store, keys.evaluation_report(evaluation_folder(job, model)), EvaluationReport)
    return report if report is not None and _is_usable(store, report, model) else None


def evaluate_in_store(
    store: Store, job: EvaluateJob, detected: DetectionResult, settings: WorkSettings
) -> EvaluationReport:
    """Score the detections, write the report page, and store both.

    Args:
        store: Store of the run.
        job: The evaluation.
        detected: Stored detections, and the speed of the model.
        settings: Names the folder for temporary files.

    Returns:
        The stored report; if somebody else stored one meanwhile, theirs, which measured other times.

    Raises:
        BadSpec: another nasflow asked for it, whose scoring has another number.
        CorruptObject: the detections are not what was stored.
        NasflowError: the run is not finished.
    """
    require_present_scoring(job)
    model = find_model(store, job.run_key)
    if model is None:
        raise NasflowError(f"run {job.run_key[:12]} has no finished model in the store; train it first")
    snapshot = load_snapshot(store, job.snapshot_digest)
    scratch, folder = settings.work_dir / "scratch", evaluation_folder(job, model)
    evaluation = _evaluate(store, job, detected, snapshot, scratch)
    report = EvaluationReport(
        weights_sha256=model.weights.sha256,
        run_key=job.run_key,
        snapshot_digest=job.snapshot_digest,
        split=job.split,
        counts=evaluation.counts,
        scores=evaluation.scores,
        detections=detected.measured,
        evaluation=_store_evaluation(store, evaluation, folder, scratch),
        speed=detected.speed,
        scoring=job.scoring,
    )
    write_page(store, model, report, settings)
    return _store_once(store, keys.evaluation_report(folder), report, model)


def _evaluate(
    store: Store, job: EvaluateJob, detected: DetectionResult, snapshot: DatasetSnapshot, scratch: Path
) -> Evaluation:
    images = snapshot.of_split(job.split)
    detections = read_detections(store, detected.measured, scratch)
    matches = metrics.Matches(metrics.coco_ground_truth(images, snapshot.classes), detections)
    if detected.valid is None:
        point = metrics.choose_point(matches, job.threshold_for)
    else:
        valid_detections = read_detections(store, detected.valid, scratch)
        point = _choose_on_valid(valid_detections, snapshot, job.threshold_for)
    measured = MeasuredImages(f"the {job.split} split", count_images(images), snapshot.findings)
    return measure(matches, detections, point, measured, detected.speed)


def _choose_on_valid(
    detections: list[Detection], snapshot: DatasetSnapshot, threshold_for: ThresholdGoal
) -> OperatingPoint:
    """Thresholds of the valid split. Those of the measured split make precision and recall too high."""
    ground_truth = metrics.coco_ground_truth(snapshot.of_split("valid"), snapshot.classes)
    return metrics.choose_point(metrics.Matches(ground_truth, detections), threshold_for, chosen_on="valid")


def _store_evaluation(store: Store, evaluation: Evaluation, prefix: str, scratch: Path) -> StoredFile:
    with scratch_folder(scratch) as folder:
        path = folder / "report.json"
        path.write_text(evaluation.model_dump_json())
        return store.upload(
            path, lambda sha256: keys.evaluation_numbers(prefix, sha256), content_type="application/json", is_new=True
        )


def _store_once(store: Store, key: str, report: EvaluationReport, model: TrainedModel) -> EvaluationReport:
    """Store a report, unless there is one that can be used; the one that is stored then."""
    try:
        try:
            create_record(store, key, report)
        except LostRace:
            stored, etag = read_record(store, key, EvaluationReport)
            if _is_usable(store, stored, model):
                return stored
            replace_record(store, key, report, etag)
    except LostRace:
        return read_record(store, key, EvaluationReport)[0]
    return report


def _is_usable(store: Store, report: EvaluationReport, model: TrainedModel) -> bool:
    """Whether a report is about these weights, and its files are there; a lifecycle rule may have removed them."""
    return report.weights_sha256 == model.weights.sha256 and all(
        store.exists(file.key) for file in (report.detections, report.evaluation)
    )
