"""What a person has to know first about an evaluation: that nothing was found, if so, else the scores. Pure."""

from tasks.evaluation.report.mistake_tables import ERRORS
from tasks.metrics.nothing_right import nothing_right
from tasks.records import Evaluation, Scores


def score_line(scores: Scores) -> str:
    """The three headline numbers."""
    return f"mAP {scores.map:.3f}, mAP50 {scores.map50:.3f}, mAP75 {scores.map75:.3f}"


def nothing_right_in(evaluation: Evaluation) -> str | None:
    """That no detection is right, with the numbers of detections and what is wrong with them; None if one is right."""
    analysis = evaluation.analysis
    kinds = ", ".join(
        f"{ERRORS[error.kind][0].lower()} {error.count}"
        for error in analysis.errors
        if error.count and error.kind != "Miss"
    )
    found = _detections(sum(bin_.count for bin_ in analysis.calibration.bins))
    above = sum(sum(row[:-1]) for row in analysis.confusion)
    return nothing_right(
        evaluation.scores,
        f"{found}, but none fits ({kinds})",
        f"{_detections(above)}, but none fits," if above else "No detection",
    )


def _detections(count: int) -> str:
    return "1 detection" if count == 1 else f"{count} detections"
