"""What a person has to know first about an evaluation: that nothing was found, if so, else the scores. Pure."""

from tasks.evaluation.report.mistake_tables import ERRORS
from tasks.records import Evaluation, Scores


def score_line(scores: Scores) -> str:
    """The three headline numbers."""
    return f"mAP {scores.map:.3f}, mAP50 {scores.map50:.3f}, mAP75 {scores.map75:.3f}"


def nothing_right(evaluation: Evaluation) -> str | None:
    """That no detection counts, why, and what that costs; None if a detection above the threshold is right.

    TIDE's cost of missed boxes is 0 where nothing is found, so the cost is said from the scores themselves.
    """
    scores, analysis = evaluation.scores, evaluation.analysis
    if scores.recall > 0:
        return None
    boxes = sum(score.truths for score in scores.per_class.values())
    missed = "the only labelled box is missed" if boxes == 1 else f"all {boxes} labelled boxes are missed"
    everything = f"{missed}, which costs all of mAP50 (1.000)."
    detections = sum(bin_.count for bin_ in analysis.calibration.bins)
    if not detections:
        return f"No detections: {everything}"
    if scores.map50 == 0:
        kinds = ", ".join(
            f"{ERRORS[error.kind][0].lower()} {error.count}"
            for error in analysis.errors
            if error.count and error.kind != "Miss"
        )
        return f"{_detections(detections)}, but none fits ({kinds}): {everything}"
    above = sum(sum(row[:-1]) for row in analysis.confusion)
    found = _detections(above) + ", but none fits," if above else "No detection"
    return (
        f"{found} above the threshold {scores.threshold:.3f}: {missed} there; "
        f"over all thresholds mAP50 is {scores.map50:.3f}, so a lower one finds more."
    )


def _detections(count: int) -> str:
    return "1 detection" if count == 1 else f"{count} detections"
