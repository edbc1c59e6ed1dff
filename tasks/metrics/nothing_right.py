"""The sentence about scores that comes before all numbers if no detection is right. Pure."""

from tasks.records import Scores


def nothing_right(
    scores: Scores, found: str = "Detections, but none fits", found_above: str = "No right detection"
) -> str | None:
    """That no detection is right, and what that costs.

    TIDE's cost of missed boxes is 0 where nothing is found, so the cost is said from the scores themselves.

    Args:
        scores: The scores.
        found: What was found, if none of it is right at any threshold.
        found_above: What was found above the threshold, if a detection below it is right.

    Returns:
        The sentence; None if a detection above the threshold is right.
    """
    if scores.recall > 0:
        return None
    boxes = sum(score.truths for score in scores.per_class.values())
    missed = "the only labelled box is missed" if boxes == 1 else f"all {boxes} labelled boxes are missed"
    if scores.map50 == 0:
        what = "No detections" if scores.min_score is None else found
        return f"{what}: {missed}, which costs all of mAP50 (1.000)."
    return (
        f"{found_above} above the threshold {scores.threshold:.3f}: {missed} there; "
        f"over all thresholds mAP50 is {scores.map50:.3f}, so a lower one finds more."
    )
