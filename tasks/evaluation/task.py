"""Prefect surface of evaluation: scoring here, asking a worker for it, pages with a verdict or a learning curve."""

from collections.abc import Sequence

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.errors import NasflowError
from tasks.evaluation.in_store import evaluate_in_store, find_evaluation, job_for, write_curve, write_page
from tasks.evaluation.learning_curve import learning_curve
from tasks.evaluation.summary import STUDY, point_rows, study_markdown, study_row
from tasks.orchestration.child_runs import run_child_flow
from tasks.orchestration.progress import artifact_key, report_to_server
from tasks.orchestration.retries import step
from tasks.records import (
    Comparison,
    Detected,
    EvaluateJob,
    EvaluationReport,
    LearningCurve,
    LearningPoint,
    PromotionDecision,
    SnapshotRef,
    StoredFile,
    ThresholdGoal,
    TrainedModel,
)
from tasks.settings import WorkSettings, from_environment
from tasks.storage.s3 import LINK_DAYS, Store


@step("score")
def score_detections(job: EvaluateJob, detected: Detected) -> EvaluationReport:
    """Score detections, and write the report page."""
    report = evaluate_in_store(Store.from_environment(), job, detected, from_environment(WorkSettings))
    get_run_logger().info("mAP %.3f, mAP50 %.3f on the %s split", report.scores.map, report.scores.map50, report.split)
    return report


@step("evaluate on a GPU worker")
def evaluate_on_worker(model: TrainedModel, snapshot: SnapshotRef, threshold_for: ThresholdGoal) -> EvaluationReport:
    """Have the evaluate deployment measure a model on a snapshot; an evaluation that is done is used again."""
    store = Store.from_environment()
    job = job_for(model, snapshot, threshold_for)
    if report := find_evaluation(store, job, model):
        return report
    run_child_flow("evaluate/evaluate", {"job": job.model_dump(mode="json")})
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


@step("fit the learning curve")
def fit_curve(points: Sequence[LearningPoint]) -> LearningCurve:
    """Say what twice the labels would bring, from models that were trained on parts of them."""
    curve = learning_curve(points)
    get_run_logger().info("%s: %s", curve.verdict, curve.sentence)
    return curve


@step("show the study")
def show_study(project: str, model: TrainedModel, report: EvaluationReport, curve: LearningCurve) -> LearningCurve:
    """Keep the curve, write the report page of the model of all labels with it, and show both in Prefect."""
    store, scratch = Store.from_environment(), from_environment(WorkSettings).work_dir / "scratch"
    page = write_page(store, model, report, scratch, learning=curve)
    row = study_row(project, curve, write_curve(store, report, curve), page.key)
    text = study_markdown(project, curve, store.link(page.key, LINK_DAYS * 86_400), LINK_DAYS, page.key)
    report_to_server(lambda: create_table_artifact([row], STUDY, "What the study came to"))
    where = f"mAP on the {report.split} split by number of training images"
    report_to_server(lambda: create_table_artifact(point_rows(curve), artifact_key("learning", project), where))
    report_to_server(
        lambda: create_markdown_artifact(text, artifact_key("study", project), "Whether the labels are enough")
    )
    return curve
