"""From matched detections to everything that a report says of them. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks import metrics
from tasks.records import Evaluation, Finding, OperatingPoint, Speed, SplitCounts


def measure(
    matches: metrics.Matches,
    detections: Sequence[Mapping[str, Any]],
    point: OperatingPoint,
    measured_on: str,
    counts: SplitCounts,
    speed: Speed | None = None,
    findings: Sequence[Finding] = (),
) -> Evaluation:
    """The numbers with their intervals, the curves, and the mistakes.

    Args:
        matches: Of the images that are measured.
        detections: The same that were matched, for their boxes.
        point: Where detections are cut.
        measured_on: What the images are, to follow "Measured on".
        counts: How many there are.
        speed: How fast the model is, if that is known.
        findings: What the check of the labels saw; what is in more than one split is told beside the scores.
    """
    return Evaluation(
        measured_on=measured_on,
        classes=matches.classes,
        counts=counts,
        sources=matches.source_count,
        scores=metrics.score_matches(matches, point, intervals=True),
        point=point,
        analysis=metrics.analyse(matches, detections, point.threshold),
        speed=speed,
        leaks=tuple(finding.message for finding in findings if finding.code.startswith("leak-")),
    )
