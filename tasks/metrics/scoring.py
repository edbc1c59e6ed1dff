"""The numbers of one set of detections, as COCO defines them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.matching import IOU_50, IOU_75, SIZES, Matches
from tasks.metrics.resampling import Intervals, intervals_of
from tasks.metrics.thresholds import Point, at_threshold, choose_point, ranked
from tasks.records import ClassScore, OperatingPoint, Scores

NO_TRUTHS = "no labelled box of this class here"


def score(
    truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]], *, intervals: bool = False, seed: int = 0
) -> Scores:
    """Score detections; see :class:`Matches` for truth and detections, and :func:`score_matches` for the rest."""
    return score_matches(Matches(truth, detections), intervals=intervals, seed=seed)


def score_matches(
    matches: Matches, point: OperatingPoint | None = None, *, intervals: bool = False, seed: int = 0
) -> Scores:
    """The numbers of matched detections: IoU 0.50 to 0.95, and for precision and recall IoU 0.50.

    Args:
        matches: Of the split to measure.
        point: Thresholds for precision and recall; without it those with the best F1 on these same detections.
        intervals: Add 95 % intervals by resampling source images.
        seed: Seed of the resampling.

    Returns:
        Fractions in [0, 1]. Classes without truths have no numbers, and stay out of the means.
    """
    point = point or choose_point(matches)
    around = intervals_of(matches, point, seed) if intervals else Intervals({}, {})
    ap, recall = _means(matches)
    overall = at_threshold(ranked(matches), point.threshold)
    sizes = {name: _average(matches, ap[:, :, at]) for at, name in enumerate(SIZES)}
    return Scores(
        map=sizes["all"] or 0.0,
        map50=_average(matches, ap[IOU_50, :, 0]) or 0.0,
        map75=_average(matches, ap[IOU_75, :, 0]) or 0.0,
        map_small=sizes["small"],
        map_medium=sizes["medium"],
        map_large=sizes["large"],
        ar=_average(matches, recall[:, :, 0]) or 0.0,
        precision=overall.precision,
        recall=overall.recall,
        f1=overall.f1,
        threshold=point.threshold,
        threshold_for=point.threshold_for,
        threshold_from=point.chosen_on,
        classes_measured=int(matches.measured.sum()),
        detections_limit=matches.limit,
        min_score=float(matches.scores.min()) if len(matches.scores) else None,
        per_class={
            name: _class_score(matches, label, ap[:, label, 0], point, around)
            for label, name in enumerate(matches.classes)
        },
        ci95=around.overall,
    )


def _means(matches: Matches) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AP and recall [T, K, sizes] with the most detections; -1 where there are no truths of that class and size."""
    precision: NDArray[np.float64] = matches.evaluation.eval["precision"][..., -1]
    recall: NDArray[np.float64] = matches.evaluation.eval["recall"][..., -1]
    return precision.mean(axis=1), recall


def _average(matches: Matches, values: NDArray[np.float64]) -> float | None:
    """Mean over classes that have truths; None without any."""
    there = values[values > -1]
    return fraction(there.mean()) if len(there) else None


def _class_score(
    matches: Matches, label: int, ap: NDArray[np.float64], point: OperatingPoint, around: Intervals
) -> ClassScore:
    name = matches.classes[label]
    found = ranked(matches, label)
    if not found.truths:
        return ClassScore(truths=0, missing=NO_TRUTHS)
    threshold = point.per_class.get(name)
    # Without one of its own, the class was never found where thresholds were chosen: the overall one holds.
    at = (
        at_threshold(found, point.threshold if threshold is None else threshold)
        if len(found.scores)
        else Point(0, 0, 0)
    )
    return ClassScore(
        ap=fraction(ap.mean()),
        ap50=fraction(ap[IOU_50]),
        precision=at.precision,
        recall=at.recall,
        threshold=threshold,
        truths=found.truths,
        ci95=around.by_class.get(name, {}),
    )


def fraction(value: float) -> float:
    """A mean as a fraction in [0, 1]. Rounded, since COCO's epsilon makes 0.9999999999999998 of a perfect score."""
    return min(1.0, max(0.0, round(float(value), 12)))
