"""One evaluation on this worker."""

from prefect import flow

from tasks.evaluation.task import find_report, score_detections
from tasks.records import EvaluateJob, EvaluationReport
from tasks.training.task import detect_split


@flow(name="evaluate", persist_result=False)
def evaluate(job: EvaluateJob) -> EvaluationReport:
    """Detect on the images that the model is measured on, score the detections, and write the report page.

    A finished evaluation is used again.
    """
    return find_report(job) or score_detections(job, detect_split(job))
