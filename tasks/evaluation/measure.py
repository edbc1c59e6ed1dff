"""From matched detections to everything that a report says about them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks import metrics
from tasks.records import Evaluation, Finding, OperatingPoint, Speed, SplitCounts


@dataclass(frozen=True)
class MeasuredImages:
    """The images that are measured."""

    name: str
    """Split or file, as it follows "Measured on"."""
    counts: SplitCounts
    findings: Sequence[Finding] = ()
    """Findings of the check of the labels; the report repeats those about images in more than one split."""


def measure(
    matches: metrics.Matches,
    detections: Sequence[Mapping[str, Any]],
    point: OperatingPoint,
    images: MeasuredImages,
    speed: Speed | None = None,
) -> Evaluation:
    """Compute scores with their intervals, curves and mistakes.

    Args:
        matches: Matched detections of the images.
        detections: The detections that were matched, in the same order, for their boxes.
        point: Confidence thresholds.
        images: The images that are measured.
        speed: Speed of the model; None if not measured.

    Returns:
        The whole evaluation.
    """
    return Evaluation(
        measured_on=images.name,
        classes=matches.classes,
        counts=images.counts,
        sources=matches.source_count,
        scores=metrics.score_matches(matches, point, intervals=True),
        point=point,
        analysis=metrics.analyse(matches, detections, point.threshold),
        speed=speed,
        leaks=tuple(finding.message for finding in images.findings if finding.code.startswith("leak-")),
    )
