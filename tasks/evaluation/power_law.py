"""Power-law learning curves: mAP(n) = a - b n^-c of n training images, with a in [0, 1] and b >= 0. Pure.

The error falls as a power of the number of training images. For each c of a grid, a and b are a weighted least squares
fit, and the c that fits best is taken. The interval comes from fitting many times, with the points moved at random by
their standard errors.

What the interval covers: the uncertainty of each point. All points share their test images, so their errors rise and
fall together, which changes a gain less than the interval assumes: in this respect it is too wide rather than too
narrow. What it does not cover: the randomness of training, which another seed would show. Where points lie further
from the curve than their errors explain, the errors are widened to match; four points show only a part of it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.records import Estimate, Interval, LearningBand, Measurement

MIN_POINTS = 3
"""Any curve goes through fewer points."""
POWERS = np.linspace(0.05, 1.5, 30)
"""Grid of c: from hardly faster than a logarithm to faster than 1/n. Chosen, as the numbers below are; what the
intervals hold was measured in decision 0046."""
MIN_ERROR = 0.005
"""Minimum standard error of a measured mAP."""
DRAWS = 500
SEED = 20
BAND_POINTS = 41
"""Points along the curve that is drawn."""
Z95 = 1.96
"""Half of a normal distribution's 95 % interval, in standard deviations."""

Array = NDArray[np.float64]
Point = tuple[int, Measurement]
"""Number of training images, and the number measured."""


class Curves(NamedTuple):
    """N curves through one set of points: the first through the points as measured, the others through moved ones."""

    a: Array
    """[N]"""
    b: Array
    """[N]"""
    c: Array
    """[N]"""

    def at(self, images: Sequence[float] | Array) -> Array:
        """Value of each curve at each of I numbers of training images, [N, I], in [0, 1]."""
        a, b, c = (parameter[:, None] for parameter in self)
        return np.asarray(np.clip(a - b * np.asarray(images, dtype=np.float64) ** -c, 0.0, 1.0))


def is_above_zero(measurement: Measurement) -> bool:
    """Whether the whole interval of a score lies above 0."""
    return measurement.ci95 is not None and measurement.ci95[0] > 0


def fit(points: Sequence[Point]) -> Curves | None:
    """Fit curves through the points whose whole intervals lie above 0; None if there are fewer than three.

    A model that cannot be told from one that detects nothing has not begun to learn, and is no point of the curve.
    """
    usable = [
        (images, measurement.value, measurement.ci95)
        for images, measurement in points
        if is_above_zero(measurement) and measurement.ci95 is not None
    ]
    if len(usable) < MIN_POINTS:
        return None
    images = np.array([float(point[0]) for point in usable])
    values = np.array([point[1] for point in usable])
    errors = np.array([_standard_error(interval) for _, _, interval in usable])
    as_measured = _fit_rows(images, values[None], errors)
    errors = errors * _widening(values - as_measured.at(images)[0], errors)
    moved = values + errors * np.random.default_rng(SEED).standard_normal((DRAWS, len(values)))
    return _fit_rows(images, np.vstack([values, np.clip(moved, 0.0, 1.0)]), errors)


def estimate_at(curves: Curves, images: int) -> Estimate:
    """The score that the curves predict for a number of training images."""
    return _estimate(curves.at([images])[:, 0])


def estimate_gain(curves: Curves, images: int) -> Estimate:
    """The gain that the curves predict from ``images`` to twice as many."""
    now, doubled = curves.at([images, 2 * images]).T
    return _estimate(doubled - now)


def band_of(curves: Curves, first: int, last: int) -> LearningBand:
    """The curve and its 95 % interval, to be drawn.

    Args:
        curves: The fitted curves.
        first: Smallest number of training images.
        last: Largest number of training images.

    Returns:
        The curve at BAND_POINTS evenly spaced numbers of images.
    """
    images = np.linspace(first, last, BAND_POINTS)
    values = curves.at(images)
    low, high = np.percentile(values[1:], [2.5, 97.5], axis=0)
    middle = values[0]
    return LearningBand(
        images=tuple(images.tolist()),
        low=tuple(np.minimum(low, middle).tolist()),
        middle=tuple(middle.tolist()),
        high=tuple(np.maximum(high, middle).tolist()),
    )


def _standard_error(interval: Interval) -> float:
    return max((interval[1] - interval[0]) / (2 * Z95), MIN_ERROR)


def _widening(residuals: Array, errors: Array) -> float:
    """Factor by which the errors have to be larger to explain the residuals; at least 1."""
    degrees_of_freedom = max(1, len(errors) - 3)
    return max(1.0, float(np.sqrt(np.sum((residuals / errors) ** 2) / degrees_of_freedom)))


def _fit_rows(images: Array, values: Array, errors: Array) -> Curves:
    """The best curve through each row of values [N, I]."""
    weights = 1 / errors**2
    x = images[None] ** -POWERS[:, None]
    total, sum_x, sum_xx = weights.sum(), x @ weights, x**2 @ weights
    sum_y, sum_xy = (values @ weights)[:, None], (values * weights) @ x.T
    b = np.maximum(0.0, (sum_x * sum_y - total * sum_xy) / (total * sum_xx - sum_x**2))
    a = (sum_y + b * sum_x) / total
    # Where that is more than 1, the best curve has a = 1; its b is not negative, because no value is more than 1.
    b = np.where(a > 1, (sum_x - sum_xy) / sum_xx, b)
    a = np.minimum(a, 1.0)
    squared_errors = (values[:, None] - a[..., None] + b[..., None] * x[None]) ** 2 @ weights
    best = squared_errors.argmin(axis=1)
    rows = np.arange(len(values))
    return Curves(a[rows, best], b[rows, best], POWERS[best])


def _estimate(values: Array) -> Estimate:
    """The first value, and the interval of the others, widened to hold it."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    value = float(values[0])
    return Estimate(value=value, ci95=(min(float(low), value), max(float(high), value)))
