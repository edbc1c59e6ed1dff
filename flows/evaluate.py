"""One evaluation on this worker."""

from prefect import flow

from tasks.evaluation.task import find_report, score_detections
from tasks.records import EvaluateJob, EvaluationReport
from tasks.training.task import detect_split, export_formats
from tasks.training.trainer_jobs import one_trainer


@flow(name="evaluate", persist_result=False)
def evaluate(job: EvaluateJob) -> EvaluationReport:
    """Detect on the images that the model is measured on, score the detections, and write the report page.

    The model is exported, too, if the job says so. What is finished is used again.
    """
    with one_trainer():
        return measure(job)


def measure(job: EvaluateJob) -> EvaluationReport:
    """The steps of an evaluation; a train run goes on with them.

    Args:
        job: What to measure.

    Returns:
        The report.
    """
    report = find_report(job) or score_detections(job, detect_split(job))
    if job.export:
        export_formats(report)
    return report
