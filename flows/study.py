"""Whether the labels are enough: a learning curve through models that are trained on parts of them."""

from prefect import flow

from tasks.evaluation.in_store import job_for
from tasks.evaluation.task import evaluate_on_worker, fit_curve, show_study
from tasks.labeling.task import check_labels, export_labels, take_subset
from tasks.promotion.task import find_champion
from tasks.records import LearningCurve, LearningPoint, RetrainRequest
from tasks.training.task import plan_training, require_study, train_on_worker

SHARES = (0.25, 0.5, 0.75, 1.0)
"""Shares of the training images; the last run is the one that retrain would make, which uses it again."""


@flow(name="study", persist_result=False)
def study(request: RetrainRequest) -> LearningCurve:
    """Train on parts of the labels, measure all models on the same images, and say what twice the labels would bring.

    Nothing is published, judged or promoted. Finished runs and evaluations are used again.
    """
    require_study(request)
    export = export_labels(request)
    champion = find_champion(request.project)
    snapshot = check_labels(export, request.rules, champion)

    points = []
    for share in SHARES:
        subset = take_subset(snapshot, share, SHARES)
        job = plan_training(request, subset, champion)
        model = train_on_worker(job, job_for(job.spec.digest, snapshot, request.threshold_for))
        report = evaluate_on_worker(model, snapshot, request.threshold_for)
        points.append(LearningPoint.of(share, subset, model, report))
    return show_study(request.project, model, report, fit_curve(points))
