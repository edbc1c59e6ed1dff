"""Labels in, a judged and published detector out."""

from prefect import State, flow
from prefect.states import Completed
from pydantic.json_schema import SkipJsonSchema

from tasks.errors import LostRace
from tasks.evaluation.in_store import job_for
from tasks.evaluation.task import evaluate_on_worker, write_verdict
from tasks.labeling.task import check_labels, compare_labels, export_labels
from tasks.orchestration.announcements import announce_failure
from tasks.orchestration.questions import suspend
from tasks.orchestration.scheduled_runs import find_run_that_takes_over, require_request
from tasks.promotion.registry import CHAMPION
from tasks.promotion.task import (
    compare_models,
    decide_promotion,
    find_champion,
    find_run,
    find_subject,
    pose_question,
    promote,
    publish_model,
    store_skip,
    summarise,
    take_answer,
    write_project_page,
)
from tasks.records import (
    EvaluationReport,
    ModelVersion,
    PromotionDecision,
    RetrainOutcome,
    RetrainRequest,
    SnapshotRef,
    TrainedModel,
)
from tasks.training.task import find_reason_to_skip, plan_training, train_on_worker

JUDGEMENTS = 5
"""So often a model is judged when other runs keep moving the champion."""


@flow(name="retrain", persist_result=False, on_failure=[announce_failure])
def retrain(request: RetrainRequest | SkipJsonSchema[None] = None) -> RetrainOutcome | State[None]:
    """Export the labels, check them, train, evaluate, judge against the champion, publish, and promote if better.

    A run ends as Skipped if a schedule made it and another run of the project takes over, or if there is nothing to do,
    with the labels and settings that the champion was trained with. A run that asks a person is suspended; when it
    begins again, it goes on with the model that it asked about. Were the request required, Prefect would end a run
    without one as Crashed, and give no reason.
    """
    request = require_request(request)
    if request.ask and (asked_about := find_subject(request)):
        return finish(request, *asked_about)
    if reason := find_run_that_takes_over():
        return skip(request, reason)
    export = export_labels(request)
    champion = find_champion(request.project)
    snapshot = check_labels(export, request.rules, champion)
    changes = compare_labels(snapshot, champion)
    job = plan_training(request, snapshot, champion)
    if reason := find_reason_to_skip(job, champion, changes):
        return skip(request, reason)

    evaluation = job_for(job.spec.digest, snapshot, request.threshold_for, export=True)
    run, _ = find_run(champion, snapshot)
    baseline = job_for(run.run_key, snapshot, request.threshold_for) if run else None
    return finish(request, snapshot, train_on_worker(job, evaluation, baseline))


def skip(request: RetrainRequest, reason: str) -> State[None]:
    """The state of a run that trains nothing.

    Args:
        request: What was asked for.
        reason: Why, in a sentence.

    Returns:
        The state Skipped.
    """
    store_skip(request.project, reason)
    return Completed(name="Skipped", message=reason)


def finish(request: RetrainRequest, snapshot: SnapshotRef, model: TrainedModel) -> RetrainOutcome:
    """Evaluate a trained model, judge it, and show the outcome.

    Args:
        request: What was asked for.
        snapshot: The labels.
        model: The finished run.

    Returns:
        The outcome.
    """
    report = evaluate_on_worker(model, snapshot, request.threshold_for, export=True)
    version, alias = judge(request, snapshot, model, report)
    decision = version.decision
    outcome = RetrainOutcome(
        snapshot=snapshot, model=model, report=report, decision=decision, version=version, alias=alias
    )
    return summarise(outcome, write_project_page(request.project))


def judge(
    request: RetrainRequest, snapshot: SnapshotRef, model: TrainedModel, report: EvaluationReport
) -> tuple[ModelVersion, str | None]:
    """Judge a model against the champion, publish it, and promote it if better; anew if the champion moved meanwhile.

    Args:
        request: What was asked for.
        snapshot: The labels.
        model: The finished run.
        report: Scores of its best weights.

    Returns:
        The published version with the decision that stands, and its alias if it is the champion now.

    Raises:
        LostRace: other runs moved the champion each time.
    """
    for _ in range(JUDGEMENTS):
        champion = find_champion(request.project)
        if champion and champion.is_of(model):  # promoted by another run of the same request, or before a restart
            return champion, CHAMPION
        run, obstacle = find_run(champion, snapshot)
        champion_report = evaluate_on_worker(run, snapshot, request.threshold_for) if run else None
        comparison = compare_models(report, champion_report, champion, request.gate)
        decision = decide_promotion(report, champion_report, comparison, request, obstacle)

        page = write_verdict(model, report, comparison, decision)
        version = publish_model(request.project, model, report, page, decision)
        if request.ask and version.decision.is_open:
            decision = ask_person(version, champion, request.ask_hours)
            page = write_verdict(model, report, comparison, decision)
            version = publish_model(request.project, model, report, page, decision)
        if not version.decision.promote:
            return version, None
        if alias := promote(version, champion):
            return version, alias
    raise LostRace(
        f"{request.project}: other runs moved the champion {JUDGEMENTS} times while this model was judged; "
        "ask again when they are done, nothing is trained anew"
    )


def ask_person(version: ModelVersion, champion: ModelVersion | None, hours: float) -> PromotionDecision:
    """Suspend the flow run until a person says whether to promote a version; it then begins again, and comes here.

    Args:
        version: The published version, with a decision that is open.
        champion: The champion that it was compared with; None if there is none.
        hours: Hours that there are for an answer.

    Returns:
        The decision with the answer.
    """
    while (decision := take_answer(version, champion, hours)) is None:
        suspend(pose_question(version, champion, hours))
    return decision
