"""Prefect surface of promotion: the champion, the gate, publishing, the alias, and the summary of it all."""

from datetime import UTC, datetime

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.errors import NasflowError
from tasks.local.scratch import scratch_folder
from tasks.orchestration.progress import artifact_key, report_to_server
from tasks.orchestration.retries import step
from tasks.promotion import registry
from tasks.promotion.comparison import compare_in_store
from tasks.promotion.gate import decide
from tasks.promotion.summary import OUTCOME, class_rows, outcome_markdown, outcome_row
from tasks.records import (
    Comparison,
    EvaluationReport,
    GatePolicy,
    ModelVersion,
    PromotionDecision,
    RetrainOutcome,
    RetrainRequest,
    StoredFile,
    TrainedModel,
)
from tasks.settings import WorkSettings, from_environment
from tasks.storage.runs import find_model
from tasks.storage.s3 import LINK_DAYS, Store

CHAMPION = "champion"


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


@step("find the champion")
def find_champion(project: str) -> ModelVersion | None:
    """The model in use, or None before the first promotion."""
    store = Store.from_environment()
    alias = registry.find_alias(store, project, CHAMPION)
    return registry.find_version(store, project, alias.version) if alias else None


@step("find the champion's run")
def find_run(version: ModelVersion) -> TrainedModel:
    """The run that a version came from."""
    model = find_model(Store.from_environment(), version.run_key)
    if model is None:
        raise NasflowError(f"{version.project} version {version.version}: its run {version.run_key[:12]} is not there")
    return model


@step("compare models")
def compare_models(
    report: EvaluationReport,
    champion_report: EvaluationReport | None,
    champion: ModelVersion | None,
    policy: GatePolicy,
) -> Comparison | None:
    """Both models on the same images; None without a champion, or without an image that it was not trained on."""
    if champion is None or champion_report is None:
        return None
    scratch = from_environment(WorkSettings).work_dir / "scratch"
    store = Store.from_environment()
    return compare_in_store(store, report, champion_report, champion, policy.confidence_level, scratch)


@step("decide promotion")
def decide_promotion(
    report: EvaluationReport,
    champion_report: EvaluationReport | None,
    comparison: Comparison | None,
    request: RetrainRequest,
) -> PromotionDecision:
    """Let the gate judge, and log its word."""
    decision = decide(report, champion_report, comparison, request.gate, request.promote_anyway)
    get_run_logger().info("%s: %s", "promoted" if decision.promote else decision.verdict, decision.reason)
    return decision


@step("publish the model")
def publish_model(
    project: str, model: TrainedModel, report: EvaluationReport, page: StoredFile, decision: PromotionDecision
) -> ModelVersion:
    """Publish weights and report page as a version of the project."""
    store = Store.from_environment()
    scratch = from_environment(WorkSettings).work_dir / "scratch"
    with scratch_folder(scratch) as folder:
        weights, html = folder / "weights.safetensors", folder / "report.html"
        store.download(model.weights, weights)
        store.download(page, html)
        version = registry.publish(store, project, model, report, decision, weights, html, utc_now)
    get_run_logger().info("published %s version %d", project, version.version)
    return version


@step("promote")
def promote(version: ModelVersion, champion: ModelVersion | None, decision: PromotionDecision) -> str:
    """Move the champion alias, unless somebody else moved it since the gate's decision."""
    expected = champion.version if champion else None
    store = Store.from_environment()
    registry.move_alias(store, version.project, CHAMPION, version.version, expected, decision.reason, utc_now)
    get_run_logger().info("%s: champion is now version %d", version.project, version.version)
    return CHAMPION


@step("summarise")
def summarise(outcome: RetrainOutcome) -> RetrainOutcome:
    """Show the outcome as a page in Prefect, with a link to the report."""
    store, project = Store.from_environment(), outcome.version.project
    link = store.link(outcome.version.report.key, LINK_DAYS * 86_400)
    text = outcome_markdown(
        outcome.snapshot, outcome.model, outcome.report, outcome.decision, outcome.version, link, LINK_DAYS
    )
    report_to_server(lambda: create_table_artifact([outcome_row(outcome)], OUTCOME, "What the run came to"))
    rows = class_rows(outcome.report.scores)
    where = f"Scores by class on the {outcome.report.split} split"
    report_to_server(lambda: create_table_artifact(rows, artifact_key("classes", project), where))
    key, title = artifact_key("retrain", project), "Outcome of the retrain run"
    report_to_server(lambda: create_markdown_artifact(text, key, title))
    return outcome
