"""Labels in, a judged and published detector out."""

from prefect import State, flow
from prefect.states import Completed
from pydantic.json_schema import SkipJsonSchema

from tasks.evaluation.task import evaluate_on_worker, write_verdict
from tasks.labeling.task import check_labels, compare_labels, export_labels
from tasks.orchestration.scheduled_runs import find_run_that_takes_over, require_request
from tasks.promotion.task import (
    compare_models,
    decide_promotion,
    find_champion,
    find_run,
    promote,
    publish_model,
    summarise,
)
from tasks.records import RetrainOutcome, RetrainRequest
from tasks.training.task import find_reason_to_skip, plan_training, train_on_worker


@flow(name="retrain", persist_result=False)
def retrain(request: RetrainRequest | SkipJsonSchema[None] = None) -> RetrainOutcome | State[None]:
    """Export the labels, check them, train, evaluate, judge against the champion, publish, and promote if better.

    A run ends as Skipped if a schedule made it and another run of the project takes over, or if there is nothing to do,
    with the labels and settings that the champion was trained with. Were the request required, Prefect would end a run
    without one as Crashed, and give no reason.
    """
    request = require_request(request)
    if reason := find_run_that_takes_over():
        return Completed(name="Skipped", message=reason)
    export = export_labels(request)
    champion = find_champion(request.project)
    snapshot = check_labels(export, request.rules, champion)
    changes = compare_labels(snapshot, champion)
    job = plan_training(request, snapshot, champion)
    if reason := find_reason_to_skip(job, champion, changes):
        return Completed(name="Skipped", message=reason)

    model = train_on_worker(job)
    report = evaluate_on_worker(model, snapshot, request.threshold_for)
    champion_report = evaluate_on_worker(find_run(champion), snapshot, request.threshold_for) if champion else None
    comparison = compare_models(report, champion_report, champion, request.gate)
    decision = decide_promotion(report, champion_report, comparison, request)

    page = write_verdict(model, report, comparison, decision)
    version = publish_model(request.project, model, report, page, decision)
    alias = promote(version, champion, decision) if decision.promote else None
    return summarise(
        RetrainOutcome(snapshot=snapshot, model=model, report=report, decision=decision, version=version, alias=alias)
    )
