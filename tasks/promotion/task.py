"""Prefect surface of promotion: champion, comparison, gate, publishing, alias, and the summary of the run."""

from datetime import UTC, datetime

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.errors import NasflowError
from tasks.local.scratch import scratch_folder
from tasks.orchestration.progress import artifact_key, report_to_server
from tasks.orchestration.retries import step
from tasks.promotion import aliases, registry
from tasks.promotion.comparison import compare_in_store
from tasks.promotion.gate import Case, decide
from tasks.promotion.registry import Publication
from tasks.promotion.summary import OUTCOME, class_rows, outcome_markdown, outcome_row
from tasks.records import (
    AliasMove,
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
from tasks.storage.s3 import Store

CHAMPION = "champion"


def utc_now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


@step("find the champion")
def find_champion(project: str) -> ModelVersion | None:
    """The model in use, or None before the first promotion."""
    store = Store.from_environment()
    alias = aliases.find_alias(store, project, CHAMPION)
    return registry.find_version(store, project, alias.version) if alias else None


@step("find the champion's run")
def find_run(version: ModelVersion) -> TrainedModel:
    """Find the run that a version came from.

    Raises:
        NasflowError: the run is not in the store.
    """
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
    """Compare the candidate with the champion on the same images.

    Args:
        report: Report of the candidate.
        champion_report: Report of the champion on the same split; None without a champion.
        champion: The version in use; None before the first promotion.
        policy: Names the confidence level of the comparison.

    Returns:
        None without a champion, or if the champion was trained on all of the images.
    """
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
    """Let the gate decide, and log the decision.

    Args:
        report: Report of the candidate.
        champion_report: Report of the champion on the same split; None without a champion.
        comparison: Of the two; None without a champion or without images to compare on.
        request: Has the policy, and the reason of an override.

    Returns:
        The decision.

    Raises:
        IncomparableReports: the two models were measured on different images.
    """
    case = Case(candidate=report, champion=champion_report, comparison=comparison, policy=request.gate)
    decision = decide(case, request.promote_anyway)
    get_run_logger().info("%s: %s", "promoted" if decision.promote else decision.verdict, decision.reason)
    return decision


@step("publish the model")
def publish_model(
    project: str, model: TrainedModel, report: EvaluationReport, page: StoredFile, decision: PromotionDecision
) -> ModelVersion:
    """Publish weights and report page as a version of the project.

    Args:
        project: Project of the model.
        model: The finished run.
        report: Scores of its best weights.
        page: The report page in the store.
        decision: Decision of the gate.

    Returns:
        The card of the published version.

    Raises:
        CorruptObject: weights, run and report are not about the same weights.
    """
    store = Store.from_environment()
    scratch = from_environment(WorkSettings).work_dir / "scratch"
    with scratch_folder(scratch) as folder:
        publication = Publication(
            project=project,
            model=model,
            report=report,
            decision=decision,
            weights_path=folder / "weights.safetensors",
            page_path=folder / "report.html",
        )
        store.download(model.weights, publication.weights_path)
        store.download(page, publication.page_path)
        version = registry.publish(store, publication, utc_now)
    get_run_logger().info("published %s version %d", project, version.version)
    return version


@step("promote")
def promote(version: ModelVersion, champion: ModelVersion | None, decision: PromotionDecision) -> str:
    """Move the champion alias to a version.

    Args:
        version: The version to promote.
        champion: The champion that the gate compared with; None if there was none.
        decision: Has the reason, for the alias's history.

    Returns:
        Name of the alias.

    Raises:
        LostRace: somebody else moved the alias since the decision.
    """
    expected = champion.version if champion else None
    move = AliasMove(version=version.version, at=utc_now(), reason=decision.reason)
    aliases.move_alias(Store.from_environment(), version.project, CHAMPION, move, expected)
    get_run_logger().info("%s: champion is now version %d", version.project, version.version)
    return CHAMPION


@step("summarise")
def summarise(outcome: RetrainOutcome) -> RetrainOutcome:
    """Show the outcome as a page in Prefect, with a link to the report."""
    store, project = Store.from_environment(), outcome.version.project
    link = store.link(outcome.version.report.key)
    text = outcome_markdown(outcome, link.url, link.validity)
    report_to_server(lambda: create_table_artifact([outcome_row(outcome)], OUTCOME, "Outcome of the run"))
    rows = class_rows(outcome.report.scores)
    description = f"Scores by class on the {outcome.report.split} split"
    report_to_server(lambda: create_table_artifact(rows, artifact_key("classes", project), description))
    key, title = artifact_key("retrain", project), "Outcome of the retrain run"
    report_to_server(lambda: create_markdown_artifact(text, key, title))
    return outcome
