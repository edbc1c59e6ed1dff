"""Prefect surface of promotion: champion, comparison, gate, publishing, question, alias, and the summary of the run."""

from datetime import UTC, datetime

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.runtime import flow_run

from tasks.errors import LostRace
from tasks.local.scratch import scratch_folder
from tasks.orchestration import questions
from tasks.orchestration.announcements import announce
from tasks.orchestration.asking_runs import in_words
from tasks.orchestration.own_child_runs import flows_of_child_runs, seconds_so_far
from tasks.orchestration.progress import artifact_key, report_to_server
from tasks.orchestration.retries import step
from tasks.orchestration.run_watch import sleep
from tasks.promotion import aliases, registry
from tasks.promotion.by_hand import find_rollback
from tasks.promotion.champion import find_champion_run, find_current_champion
from tasks.promotion.comparison import compare_in_store
from tasks.promotion.gate import Case, decide
from tasks.promotion.model_files import fetch_formats
from tasks.promotion.outcome import reused_stages, store_outcome
from tasks.promotion.page_in_store import try_update_page
from tasks.promotion.questions import question_key, question_markdown, question_title, settle
from tasks.promotion.registry import CHAMPION, Publication
from tasks.promotion.summary import (
    OUTCOME,
    class_rows,
    headline,
    kind_of,
    outcome_markdown,
    outcome_row,
    steps_markdown,
    version_row,
)
from tasks.records import (
    AliasMove,
    Comparison,
    EvaluationReport,
    GatePolicy,
    ModelVersion,
    PromotionDecision,
    RetrainOutcome,
    RetrainRequest,
    RunOutcome,
    SnapshotRef,
    StoredFile,
    TrainedModel,
)
from tasks.settings import WorkSettings, from_environment
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot
from tasks.storage.runs import find_formats, find_model, find_older_runs
from tasks.storage.s3 import Store


def utc_now() -> datetime:
    """The current time, in UTC."""
    return datetime.now(UTC)


@step("find the champion")
def find_champion(project: str) -> ModelVersion | None:
    """The model in use, or None before the first promotion.

    Raises:
        NotInStore: the alias points to a version that is not there.
    """
    return find_current_champion(Store.from_environment(), project)


@step("find the champion's run")
def find_run(champion: ModelVersion | None, snapshot: SnapshotRef) -> tuple[TrainedModel | None, str | None]:
    """Find the run that the champion came from, to measure it.

    Args:
        champion: The version in use; None before the first promotion.
        snapshot: The labels to measure it on.

    Returns:
        The run, or None; and why the champion cannot be compared with, if it cannot.
    """
    if champion is None:
        return None, None
    run, obstacle = find_champion_run(Store.from_environment(), champion, snapshot)
    if obstacle:
        get_run_logger().warning("no comparison with champion version %d: %s", champion.version, obstacle)
    return run, obstacle


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
        champion_report: Report of the champion on the same split; None if it was not measured.
        champion: The version in use; None before the first promotion.
        policy: Names the confidence level of the comparison.

    Returns:
        None if there is none to compare with, or if the champion was trained on all of the images.
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
    obstacle: str | None,
) -> PromotionDecision:
    """Let the gate decide, and log the decision.

    Args:
        report: Report of the candidate.
        champion_report: Report of the champion on the same split; None if it was not measured.
        comparison: Of the two; None without images to compare on.
        request: Has the policy, and the reason of an override.
        obstacle: Why the champion cannot be compared with; None without a champion, or if it can.

    Returns:
        The decision.

    Raises:
        IncomparableReports: the two models were measured on different images.
    """
    rollback = find_rollback(Store.from_environment(), request.project, report.weights_sha256)
    case = Case(report, champion_report, comparison, request.gate, obstacle, rollback)
    decision = decide(case, request.promote_anyway)
    get_run_logger().info("%s: %s", "promoted" if decision.promote else decision.verdict, decision.reason)
    return decision


@step("publish the model")
def publish_model(
    project: str, model: TrainedModel, report: EvaluationReport, page: StoredFile, decision: PromotionDecision
) -> ModelVersion:
    """Publish weights, the other formats and the report page as a version of the project.

    Args:
        project: Project of the model.
        model: The finished run.
        report: Scores of its best weights.
        page: The report page in the store.
        decision: Decision of the gate.

    Returns:
        The card of the published version. Its decision is the one that stands: for a version that another run of the
        same request has promoted, that run's.

    Raises:
        CorruptObject: weights, run and report are not about the same weights.
    """
    store = Store.from_environment()
    scratch = from_environment(WorkSettings).work_dir / "scratch"
    with scratch_folder(scratch) as folder:
        formats = find_formats(store, report)
        publication = Publication(
            project=project,
            model=model,
            report=report,
            decision=decision,
            weights_path=folder / "weights.safetensors",
            page_path=folder / "report.html",
            formats=formats,
            format_paths=fetch_formats(store, formats.formats, folder) if formats else {},
        )
        store.download(model.weights, publication.weights_path)
        store.download(page, publication.page_path)
        version = registry.publish(store, publication, utc_now)
    get_run_logger().info("published %s version %d", project, version.version)
    return version


@step("look for a question")
def find_subject(request: RetrainRequest) -> tuple[SnapshotRef, TrainedModel] | None:
    """The labels and the model that this flow run has asked a person about, which it goes on with after the answer.

    Labels, champion and weights to start from may be others by now, and nobody was asked about a model of those.

    Returns:
        Labels and model; None if it has not asked, or the model is not in the store any more.
    """
    store, number = Store.from_environment(), questions.find_subject()
    version = registry.find_version(store, request.project, number) if number else None
    model = find_model(store, version.run_key) if version else None
    if version is None or model is None or not store.exists(keys.snapshot(version.snapshot_digest)):
        return None
    get_run_logger().info("going on with %s version %d, which was asked about", version.project, version.version)
    return SnapshotRef.of(load_snapshot(store, version.snapshot_digest)), model


@step("look for an answer")
def take_answer(version: ModelVersion, champion: ModelVersion | None, hours: float) -> PromotionDecision | None:
    """Settle a decision that could not be told by what a person answered to this flow run.

    Args:
        version: The version that it is about.
        champion: The champion that it was compared with; None if there is none.
        hours: How long there was time to answer.

    Returns:
        The decision with the answer, or that nobody answered in time; the same decision if another flow run asks that
        already; None if it has to be asked.
    """
    key = question_key(version, champion)
    answer = questions.find_answer(key)
    if answer is None:
        if other := questions.find_other_run(key, version.project):
            get_run_logger().info("%s asks already whether to promote version %d", other, version.version)
        return version.decision if other else None
    settled = settle(version.decision, answer, hours)
    get_run_logger().info("%s", settled.reason)
    return settled


@step("ask a person")
def pose_question(version: ModelVersion, champion: ModelVersion | None, hours: float) -> questions.Question:
    """Write the question, and tell that an answer is awaited; the flow run is suspended after this step.

    Args:
        version: The published version, with a decision that is open.
        champion: The champion that it was compared with; None if there is none.
        hours: Hours that there are for an answer.

    Returns:
        The question.
    """
    link = Store.from_environment().link(version.report.key)
    text = question_markdown(version, link.url, link.validity)
    question = questions.Question(version.version, question_key(version, champion), text)
    until, page = questions.prepare(question, hours), questions.page_of_run()
    title = question_title(version)
    command = f"`nasflow runs answer {flow_run.id} --promote`, or `--keep`"
    how = f"Until {in_words(until)}: press Resume at {page}, or {command}."
    get_run_logger().warning("%s %s", title, how)
    facts = {"report": link.url, "page": page, "flow_run": flow_run.id, "answer_until": until.isoformat()}
    news = f"{text}\n\n{how} Without an answer the champion stays."
    announce("cannot-tell", version.project, title, news, {**version_row(version, version.decision, None), **facts})
    return question


@step("promote")
def promote(version: ModelVersion, champion: ModelVersion | None) -> str | None:
    """Move the champion alias to a version.

    Args:
        version: The version to promote; its decision has the reason, for the alias's history.
        champion: The champion that the gate compared with; None if there was none.

    Returns:
        Name of the alias; None if another run moved it since the decision, so that it has to be decided anew.
    """
    store, expected = Store.from_environment(), champion.version if champion else None
    decision = version.decision
    move = AliasMove(version=version.version, at=utc_now(), reason=decision.reason, by=decision.answered_by)
    try:
        alias = aliases.move_alias(store, version.project, CHAMPION, move, expected)
    except LostRace as error:
        get_run_logger().warning("%s", error)
        return None
    if alias.history[-1].reason == move.reason:
        registry.confirm(store, version)
    get_run_logger().info("%s: champion is now version %d", version.project, version.version)
    return CHAMPION


@step("write the project's page")
def write_project_page(project: str) -> bool:
    """Write the page about all versions of the project, and say whether it is up to date; a failure fails no run."""
    return try_update_page(Store.from_environment(), project, sleep)


@step("note why it is skipped")
def store_skip(project: str, reason: str) -> None:
    """Store that this run was skipped, and why."""
    store_outcome(Store.from_environment(), RunOutcome(project=project, flow_run=str(flow_run.id), skipped=reason))


@step("summarise")
def summarise(outcome: RetrainOutcome, has_page: bool) -> RetrainOutcome:
    """Store the outcome, show it as a page in Prefect that links to the project's page if it has one, emit an event."""
    store, project = Store.from_environment(), outcome.version.project
    link = store.link(outcome.version.report.key)
    page = store.link(keys.project_page(project)).url if has_page else None
    stored = RunOutcome(
        project=project,
        flow_run=str(flow_run.id),
        version=outcome.version.version,
        alias=outcome.alias,
        decision=outcome.decision,
        reused=reused_stages(flows_of_child_runs()),
    )
    store_outcome(store, stored)
    older = {recipe: run.run_key for recipe, run in find_older_runs(store, outcome.model.spec).items()}
    text = f"{outcome_markdown(outcome, link.url, page, link.validity, older)}\n{steps_markdown(seconds_so_far())}\n"
    report_to_server(lambda: create_table_artifact([outcome_row(outcome)], OUTCOME, "Outcome of the run"))
    rows = class_rows(outcome.report.scores)
    description = f"Scores by class on the {outcome.report.split} split"
    report_to_server(lambda: create_table_artifact(rows, artifact_key("classes", project), description))
    key, title = artifact_key("retrain", project), "Outcome of the retrain run"
    report_to_server(lambda: create_markdown_artifact(text, key, title))
    news = f"{outcome.decision.reason}\n\n[Open the report]({link.url}) ({link.validity})"
    announce(kind_of(outcome), project, headline(outcome), news, {**outcome_row(outcome), "report": link.url})
    return outcome
