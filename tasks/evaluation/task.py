"""Prefect surface of evaluation: scoring, evaluating on a worker, and pages with a verdict or a learning curve."""

from collections.abc import Sequence

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.errors import NasflowError
from tasks.evaluation.comparison_summary import COMPARISON, comparison_markdown, comparison_row
from tasks.evaluation.in_store import evaluate_in_store, find_evaluation, job_for
from tasks.evaluation.learning_curve import learning_curve
from tasks.evaluation.page_in_store import PageAdditions, write_page, write_record
from tasks.evaluation.summary import STUDY, point_rows, study_markdown, study_row
from tasks.orchestration.child_runs import run_child_flow
from tasks.orchestration.progress import artifact_key, report_to_server
from tasks.orchestration.retries import step
from tasks.records import (
    Comparison,
    DetectionResult,
    EvaluateJob,
    EvaluationReport,
    LearningCurve,
    LearningPoint,
    ModelVersion,
    PromotionDecision,
    SnapshotRef,
    StoredFile,
    ThresholdGoal,
    TrainedModel,
)
from tasks.settings import WorkSettings, from_environment
from tasks.storage.runs import find_formats, find_model
from tasks.storage.s3 import Store


@step("look for a finished evaluation")
def find_report(job: EvaluateJob) -> EvaluationReport | None:
    """The report of this evaluation, which another run may have finished while this one waited for a worker."""
    store = Store.from_environment()
    model = find_model(store, job.run_key)
    report = find_evaluation(store, job, model) if model else None
    if report:
        get_run_logger().info("run %s is measured on these labels already", job.run_key[:12])
    return report


@step("score")
def score_detections(job: EvaluateJob, detected: DetectionResult) -> EvaluationReport:
    """Score detections, and write the report page.

    Raises:
        CorruptObject: the detections are not what was stored.
        NasflowError: the run is not finished.
    """
    report = evaluate_in_store(Store.from_environment(), job, detected, from_environment(WorkSettings))
    get_run_logger().info("mAP %.3f, mAP50 %.3f on the %s split", report.scores.map, report.scores.map50, report.split)
    return report


@step("evaluate on a GPU worker")
def evaluate_on_worker(
    model: TrainedModel, snapshot: SnapshotRef, threshold_for: ThresholdGoal, *, export: bool = False
) -> EvaluationReport:
    """Have the evaluate deployment measure a model on a snapshot; a finished evaluation is reused.

    Args:
        model: The model to measure.
        snapshot: The snapshot to measure on.
        threshold_for: What the confidence thresholds are chosen for.
        export: Whether the model is exported in all formats, too.

    Returns:
        The report of the evaluation.

    Raises:
        NasflowError: the child flow run completed without a report.
    """
    store = Store.from_environment()
    job = job_for(model.run_key, snapshot, threshold_for, export=export)
    report = find_evaluation(store, job, model)
    if report and not (export and _has_formats_to_make(store, report)):
        return report
    run_child_flow("evaluate/evaluate", {"job": job.model_dump(mode="json")})
    if report := find_evaluation(store, job, model):
        return report
    raise NasflowError(f"run {job.run_key[:12]}: the evaluate run completed without a report; look at its logs")


def _has_formats_to_make(store: Store, report: EvaluationReport) -> bool:
    """Whether a format is missing, or was refused, and another machine may be able to make it."""
    formats = find_formats(store, report)
    return formats is None or not formats.is_final


@step("write the report")
def write_verdict(
    model: TrainedModel, report: EvaluationReport, comparison: Comparison | None, decision: PromotionDecision
) -> StoredFile:
    """Write another report page, with the comparison and the decision of the gate.

    Args:
        model: The measured model.
        report: Its evaluation.
        comparison: With the champion; None if there is none.
        decision: Decision of the gate.

    Returns:
        The stored page.
    """
    additions = PageAdditions(comparison=comparison, decision=decision)
    return write_page(Store.from_environment(), model, report, from_environment(WorkSettings), additions)


@step("show the comparison")
def show_comparison(
    version: ModelVersion, model: TrainedModel, report: EvaluationReport, comparison: Comparison
) -> Comparison:
    """Store a report page with the comparison of two versions, and show it in Prefect.

    Args:
        version: The version that may be better.
        model: Its run.
        report: Its evaluation.
        comparison: With the other version.

    Returns:
        The comparison.
    """
    store, settings = Store.from_environment(), from_environment(WorkSettings)
    page = write_page(store, model, report, settings, PageAdditions(comparison=comparison))
    row = comparison_row(version, comparison, write_record(store, report, "comparison", comparison), page.key)
    get_run_logger().info("%s", row["sentence"])
    link = store.link(page.key)
    text = comparison_markdown(version, comparison, link.url, link.validity, page.key)
    report_to_server(lambda: create_table_artifact([row], COMPARISON, "Outcome of the comparison"))
    key = artifact_key("compare", version.project)
    report_to_server(lambda: create_markdown_artifact(text, key, "Which version is better"))
    return comparison


@step("fit the learning curve")
def fit_curve(points: Sequence[LearningPoint]) -> LearningCurve:
    """Say what twice the labels would gain, from models that were trained on parts of them."""
    curve = learning_curve(points)
    get_run_logger().info("%s: %s", curve.verdict, curve.sentence)
    return curve


@step("show the study")
def show_study(project: str, model: TrainedModel, report: EvaluationReport, curve: LearningCurve) -> LearningCurve:
    """Store the learning curve and a report page with it, and show both in Prefect.

    Args:
        project: Project of the model.
        model: The model that was trained on all labels.
        report: Its evaluation.
        curve: The learning curve.

    Returns:
        The learning curve.
    """
    store, settings = Store.from_environment(), from_environment(WorkSettings)
    page = write_page(store, model, report, settings, PageAdditions(learning=curve))
    row = study_row(project, curve, write_record(store, report, "study", curve), page.key)
    link = store.link(page.key)
    text = study_markdown(project, curve, link.url, link.validity, page.key)
    report_to_server(lambda: create_table_artifact([row], STUDY, "Outcome of the study"))
    description = f"mAP on the {report.split} split by number of training images"
    report_to_server(lambda: create_table_artifact(point_rows(curve), artifact_key("learning", project), description))
    report_to_server(
        lambda: create_markdown_artifact(text, artifact_key("study", project), "Whether the labels are enough")
    )
    return curve
