"""The numbers of one set of detections, as COCO defines them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.intervals import Intervals, intervals_of
from tasks.metrics.matching import IOU_50, IOU_75, SIZES, Matches
from tasks.metrics.thresholds import PrecisionRecall, at_threshold, choose_point, ranked
from tasks.records import ClassScore, OperatingPoint, Scores

NO_BOXES = "no labelled box of this class here"


def score(
    ground_truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]], *, intervals: bool = False, seed: int = 0
) -> Scores:
    """Match and score detections, at the thresholds with the best F1 on these same detections.

    Args:
        ground_truth: COCO document, as :func:`tasks.metrics.coco_ground_truth` makes it.
        detections: COCO results, all detections of the network.
        intervals: Whether to add 95 % intervals, by resampling source images.
        seed: Seed of the resampling.

    Returns:
        As of :func:`score_matches`.

    Raises:
        BadInput: there is no box to find.
    """
    return score_matches(Matches(ground_truth, detections), intervals=intervals, seed=seed)


def score_matches(
    matches: Matches, point: OperatingPoint | None = None, *, intervals: bool = False, seed: int = 0
) -> Scores:
    """The numbers of matched detections: IoU 0.50 to 0.95, and for precision and recall IoU 0.50.

    Args:
        matches: Matched detections of the split to measure.
        point: Thresholds for precision and recall; None for those with the best F1 on these same detections.
        intervals: Whether to add 95 % intervals, by resampling source images.
        seed: Seed of the resampling.

    Returns:
        Fractions in [0, 1]. Classes without ground truth have no numbers, and do not count in the means.
    """
    point = point or choose_point(matches)
    bounds = intervals_of(matches, point, seed) if intervals else Intervals({}, {})
    ap, recall = _ap_and_recall(matches)
    overall = at_threshold(ranked(matches), point.threshold)
    sizes = {name: _mean_over_classes(matches, ap[:, :, index]) for index, name in enumerate(SIZES)}
    return Scores(
        map=sizes["all"] or 0.0,
        map50=_mean_over_classes(matches, ap[IOU_50, :, 0]) or 0.0,
        map75=_mean_over_classes(matches, ap[IOU_75, :, 0]) or 0.0,
        map_small=sizes["small"],
        map_medium=sizes["medium"],
        map_large=sizes["large"],
        ar=_mean_over_classes(matches, recall[:, :, 0]) or 0.0,
        precision=overall.precision,
        recall=overall.recall,
        f1=overall.f1,
        threshold=point.threshold,
        threshold_for=point.threshold_for,
        threshold_from=point.chosen_on,
        classes_measured=int(matches.measured.sum()),
        detections_limit=matches.detections_limit,
        min_score=float(matches.scores.min()) if len(matches.scores) else None,
        per_class={
            name: _class_score(matches, label, ap[:, label, 0], point, bounds)
            for label, name in enumerate(matches.classes)
        },
        ci95=bounds.overall,
    )


def _ap_and_recall(matches: Matches) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AP and recall [T, K, sizes] at the largest limit of detections; -1 without ground truth of a class and size."""
    precision: NDArray[np.float64] = matches.evaluation.eval["precision"][..., -1]
    recall: NDArray[np.float64] = matches.evaluation.eval["recall"][..., -1]
    return precision.mean(axis=1), recall


def _mean_over_classes(matches: Matches, values: NDArray[np.float64]) -> float | None:
    """Mean over the classes that have ground truth; None without any."""
    known = values[values > -1]
    return fraction(known.mean()) if len(known) else None


def _class_score(
    matches: Matches, label: int, ap: NDArray[np.float64], point: OperatingPoint, bounds: Intervals
) -> ClassScore:
    name = matches.classes[label]
    detections = ranked(matches, label)
    if not detections.box_count:
        return ClassScore(truths=0, missing=NO_BOXES)
    threshold = point.per_class.get(name)
    # A class that was never detected where thresholds were chosen has none of its own: the overall one applies.
    at_point = (
        at_threshold(detections, point.threshold if threshold is None else threshold)
        if len(detections.scores)
        else PrecisionRecall(0, 0, 0)
    )
    return ClassScore(
        ap=fraction(ap.mean()),
        ap50=fraction(ap[IOU_50]),
        precision=at_point.precision,
        recall=at_point.recall,
        threshold=threshold,
        truths=detections.box_count,
        ci95=bounds.by_class.get(name, {}),
    )


def fraction(value: float) -> float:
    """A mean as a fraction in [0, 1]. Rounded, because COCO's epsilon turns a perfect score into 0.9999999999999998."""
    return min(1.0, max(0.0, round(float(value), 12)))
