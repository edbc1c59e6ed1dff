"""How certain a score is: 95 % intervals by bootstrap over source images."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.bootstrap import draw_halves, draw_resamples, every_image_once, score_resamples
from tasks.metrics.matching import IOU_50, IOU_75, Matches
from tasks.records import Interval, OperatingPoint

RESAMPLES = 1000
"""Chosen, as ``HALVES`` is; how often the intervals hold the true value was measured in decision 0042."""
HALVES = 200
"""Random halves of the sources, which show how much few images flatter AP."""
CONFIDENCE = 0.95


class Intervals(NamedTuple):
    """95 % intervals of overall numbers by name, and of each class's numbers by class and name."""

    overall: dict[str, Interval]
    by_class: dict[str, dict[str, Interval]]


def intervals_of(matches: Matches, point: OperatingPoint, seed: int = 0) -> Intervals:
    """The 95 % intervals of all numbers that a report shows.

    Args:
        matches: Matched detections.
        point: Confidence thresholds, for precision, recall and F1.
        seed: Seed of the resampling.

    Returns:
        Intervals of fractions; none for numbers that the images themselves do not have.
    """
    sources = matches.source_count
    as_measured, resampled, halved = (
        _numbers(matches, point, draws)
        for draws in (
            every_image_once(matches),
            draw_resamples(matches, RESAMPLES, seed),
            draw_halves(matches, HALVES, seed),
        )
    )
    intervals = Intervals({}, {})
    for (class_name, name), values in as_measured.items():
        if np.isnan(values[0]):
            continue
        key = class_name, name
        interval = interval_around(float(values[0]), resampled[key], halved[key], sources)
        (intervals.by_class.setdefault(class_name, {}) if class_name else intervals.overall)[name] = interval
    return intervals


def interval_around(
    value: float, resampled: NDArray[np.float64], halved: NDArray[np.float64], sources: int
) -> Interval:
    """The 95 % interval of a fraction, from resamples and halves.

    Student's t with the bootstrap's standard error, because the sources are few. Few images flatter AP, because its
    curve takes the best precision to come; this bias falls with the square root of the number of images. The bias that
    the halves show moves the lower end. Percentiles are not used, because resamples are flattered once more. In
    simulations of 20 to 150 images 91 to 97 % of such intervals held the value of an infinite set; of 8 images about
    90 %.

    Args:
        value: The number as measured.
        resampled: The number in each resample, [N]; nan where it is not defined.
        halved: The number in each half of the sources, [N]; nan where it is not defined.
        sources: Number of source images.

    Returns:
        Both ends, in [0, 1].
    """
    if not np.isfinite(resampled).any() or np.nanstd(resampled) == 0:
        # All resamples agree, so the bootstrap says nothing. The rule of three: an error that none of n images shows
        # occurs in at most 3/n of all images, with 95 % confidence.
        return rounded_fraction(value - 3 / sources), rounded_fraction(value + 3 / sources)
    margin = t_quantile(CONFIDENCE / 2 + 0.5, sources) * standard_error(resampled, sources)
    bias = (np.nanmean(halved) - value) / (np.sqrt(2) - 1) if np.isfinite(halved).any() else 0.0
    return rounded_fraction(value - max(bias, 0.0) - margin), rounded_fraction(value + margin)


def standard_error(resampled: NDArray[np.float64], sources: int) -> float:
    """Standard error of a number from its resamples [N], corrected for the number of sources."""
    return float(np.nanstd(resampled)) * float(np.sqrt(sources / max(sources - 1, 1)))


def t_quantile(level: float, sources: int) -> float:
    """Quantile of Student's t with one degree of freedom less than there are sources."""
    from scipy.special import stdtrit  # imported late: the trainer scores each epoch without intervals

    return float(stdtrit(max(sources - 1, 1), level))


def rounded_fraction(value: float) -> float:
    """A fraction as records keep it: in [0, 1], rounded to a millionth."""
    return min(1.0, max(0.0, round(float(value), 6)))


def _numbers(
    matches: Matches, point: OperatingPoint, draws: NDArray[np.int64]
) -> dict[tuple[str, str], NDArray[np.float64]]:
    """All numbers that are shown, [N], by class and name; the class of overall ones is the empty string."""
    resampled = score_resamples(matches, draws)
    numbers = {
        ("", "map"): resampled.mean_over_classes(resampled.ap.mean(axis=1)),
        ("", "map50"): resampled.mean_over_classes(resampled.ap[:, IOU_50]),
        ("", "map75"): resampled.mean_over_classes(resampled.ap[:, IOU_75]),
        ("", "ar"): resampled.mean_over_classes(resampled.recall.mean(axis=1)),
    }
    numbers |= {("", name): values for name, values in _at_threshold(matches, None, point.threshold, draws).items()}
    for label in np.flatnonzero(matches.measured):
        class_name = matches.classes[label]
        numbers[class_name, "ap"] = resampled.ap[:, :, label].mean(axis=1)
        numbers[class_name, "ap50"] = resampled.ap[:, IOU_50, label]
        threshold = point.per_class.get(class_name, point.threshold)
        at_threshold = _at_threshold(matches, int(label), threshold, draws)
        numbers |= {(class_name, name): values for name, values in at_threshold.items() if name != "f1"}
    return numbers


def _at_threshold(
    matches: Matches, label: int | None, threshold: float, draws: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Precision, recall and F1 of each resample, [N]; nan where the denominator is 0."""
    outcomes = matches.outcomes(IOU_50)
    passed = outcomes.counts & (matches.scores >= threshold)
    boxes_per_image = matches.box_counts.sum(axis=0)
    if label is not None:
        passed, boxes_per_image = passed & (matches.class_indices == label), matches.box_counts[label]
    images = len(boxes_per_image)
    detections_per_image = np.bincount(matches.image_indices[passed], minlength=images)
    hits_per_image = np.bincount(matches.image_indices[passed & outcomes.hits], minlength=images)
    boxes, detections, hits = draws @ boxes_per_image, draws @ detections_per_image, draws @ hits_per_image
    with np.errstate(invalid="ignore"):
        return {"precision": hits / detections, "recall": hits / boxes, "f1": 2 * hits / (detections + boxes)}
