"""Prefect surface of evaluation: scoring on this worker, asking a worker for it, and the page with the verdict."""

from prefect import get_run_logger

from tasks.children import run_child
from tasks.errors import NasflowError
from tasks.evaluation.in_store import evaluate_in_store, find_evaluation, job_for, write_page
from tasks.records import (
    Comparison,
    Detected,
    EvaluateJob,
    EvaluationReport,
    Favour,
    PromotionDecision,
    SnapshotRef,
    StoredFile,
    TrainedModel,
)
from tasks.retrying import step
from tasks.settings import WorkSettings, from_environment
from tasks.storage.s3 import Store


@step("score")
def score_detections(job: EvaluateJob, detected: Detected) -> EvaluationReport:
    """Score detections, and write the report page."""
    report = evaluate_in_store(Store.from_environment(), job, detected, from_environment(WorkSettings))
    get_run_logger().info("mAP %.3f, mAP50 %.3f on the %s split", report.scores.map, report.scores.map50, report.split)
    return report


@step("evaluate on a GPU worker")
def evaluate_on_worker(model: TrainedModel, snapshot: SnapshotRef, favour: Favour) -> EvaluationReport:
    """Have the evaluate deployment measure a model on a snapshot; an evaluation that is done is used again."""
    store = Store.from_environment()
    job = job_for(model, snapshot, favour)
    if report := find_evaluation(store, job, model):
        return report
    run_child("evaluate/evaluate", {"job": job.model_dump(mode="json")})
    if report := find_evaluation(store, job, model):
        return report
    raise NasflowError(f"run {job.run_key[:12]}: the evaluate run completed without a report; look at its logs")


@step("write the report")
def write_verdict(
    model: TrainedModel, report: EvaluationReport, comparison: Comparison | None, decision: PromotionDecision
) -> StoredFile:
    """Write the report page once more, with the comparison and the gate's word."""
    scratch = from_environment(WorkSettings).work_dir / "scratch"
    return write_page(Store.from_environment(), model, report, scratch, comparison, decision)
