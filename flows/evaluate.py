"""One evaluation on this worker."""

from prefect import flow

from tasks.evaluation.task import score_detections
from tasks.records import EvaluateJob, EvaluationReport
from tasks.training.task import detect_split


@flow(name="evaluate", persist_result=False)
def evaluate(job: EvaluateJob) -> EvaluationReport:
    """Detect on the images that the model is measured on, score the detections, and write the report page."""
    return score_detections(job, detect_split(job))
