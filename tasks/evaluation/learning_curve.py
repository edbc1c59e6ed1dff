"""What twice the labels would bring: a curve through models that were trained on parts of them. Pure.

The error falls as a power of the number n of training images: mAP(n) = a - b n^-c, with a in [0, 1] and b >= 0. For
each c of a grid a and b are a weighted least squares fit, and the c that fits best is taken. The band comes from
fitting anew many times with the points moved at random by their own standard errors.

What the band holds: how sure each point is. All points share their test images, so their errors go up and down
together, which changes a gain less than the band takes for granted: from that it is rather too wide than too narrow.
What it does not hold: the chance of training, which another seed would show. Where points lie further from the curve
than their errors explain, the errors are widened to match; four points show only a part of it.

Nothing is said about more than twice the images: there the form of the curve would speak, not the points.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.records import Expected, Interval, LearningBand, LearningCurve, LearningPoint, Measured

FEWEST_POINTS = 3
"""Through fewer models that have learnt something any curve goes."""
POWERS = np.linspace(0.05, 1.5, 30)
"""How fast the error may fall: from hardly faster than a logarithm to faster than one over n."""
MIN_ERROR = 0.005
"""No measured mAP is surer than this."""
WORTH = 0.01
"""A gain of mAP that is worth labels."""
HARDLY = 0.02
"""Twice the labels hardly help where the whole interval of the gain lies below this."""
DRAWS = 500
SEED = 20
PLACES = 41
"""Places along the curve that is drawn."""
Z95 = 1.96

Array = NDArray[np.float64]
Place = tuple[int, Measured]
"""Training images, and the number measured."""


class Curves(NamedTuple):
    """Curves through one set of points, the first as measured, the others as moved."""

    a: Array
    b: Array
    c: Array

    def at(self, images: Sequence[float] | Array) -> Array:
        """What each curve (row) says about each number of training images (column)."""
        a, b, c = (one[:, None] for one in self)
        return np.asarray(np.clip(a - b * np.asarray(images, dtype=np.float64) ** -c, 0.0, 1.0))


def learning_curve(points: Sequence[LearningPoint]) -> LearningCurve:
    """Fit the curve, and say what twice the training images of the largest part would bring."""
    # Parts of very few sources can be the same images.
    points = sorted({point.images: point for point in points}.values(), key=lambda point: point.images)
    most = points[-1].images
    curves = fit([(point.images, point.map) for point in points])
    expected = _expected(curves.at([2 * most])[:, 0]) if curves else None
    gain = _gain(curves, most)
    verdict = _verdict(gain)
    return LearningCurve(
        points=tuple(points),
        band=_band(curves, points[0].images, 2 * most) if curves else None,
        map=expected,
        gain=gain,
        per_class={name: _gain(fit(_of_class(points, name)), most) for name in points[-1].per_class},
        verdict=verdict,
        sentence=_sentence(verdict, gain, expected, points),
        rule=_rule(gain),
        caveats=_caveats(points),
    )


def _of_class(points: Sequence[LearningPoint], name: str) -> list[Place]:
    return [(point.images, point.per_class[name]) for point in points if name in point.per_class]


# The curve ----------------------------------------------------------------------------------------


def fit(places: Sequence[Place]) -> Curves | None:
    """Curves through the numbers whose whole intervals lie above 0; None of fewer than three.

    A model that cannot be told from one that finds nothing has not begun to learn, and is no point of the curve.
    """
    known = [(images, one.value, one.ci95) for images, one in places if _has_learnt(one) and one.ci95 is not None]
    if len(known) < FEWEST_POINTS:
        return None
    images = np.array([float(one[0]) for one in known])
    values = np.array([one[1] for one in known])
    errors = np.array([_standard_error(interval) for _, _, interval in known])
    best = _fit_each(images, values[None], errors)
    errors = errors * _widening(values - best.at(images)[0], errors)
    moved = values + errors * np.random.default_rng(SEED).standard_normal((DRAWS, len(values)))
    return _fit_each(images, np.vstack([values, np.clip(moved, 0.0, 1.0)]), errors)


def _has_learnt(measured: Measured) -> bool:
    return measured.ci95 is not None and measured.ci95[0] > 0


def _standard_error(interval: Interval) -> float:
    return max((interval[1] - interval[0]) / (2 * Z95), MIN_ERROR)


def _widening(residuals: Array, errors: Array) -> float:
    """How many times larger the errors have to be to explain how far the points are from the curve; at least 1."""
    freedom = max(1, len(errors) - 3)
    return max(1.0, float(np.sqrt(np.sum((residuals / errors) ** 2) / freedom)))


def _fit_each(images: Array, values: Array, errors: Array) -> Curves:
    """The best curve through each row of values."""
    weights = 1 / errors**2
    x = images[None] ** -POWERS[:, None]
    total, sum_x, sum_xx = weights.sum(), x @ weights, x**2 @ weights
    sum_y, sum_xy = (values @ weights)[:, None], (values * weights) @ x.T
    b = np.maximum(0.0, (sum_x * sum_y - total * sum_xy) / (total * sum_xx - sum_x**2))
    a = (sum_y + b * sum_x) / total
    # Where that is more than 1 the best curve has a = 1; its b is not negative, as no value is more than 1.
    b = np.where(a > 1, (sum_x - sum_xy) / sum_xx, b)
    a = np.minimum(a, 1.0)
    errors_of_fit = (values[:, None] - a[..., None] + b[..., None] * x[None]) ** 2 @ weights
    best = errors_of_fit.argmin(axis=1)
    rows = np.arange(len(values))
    return Curves(a[rows, best], b[rows, best], POWERS[best])


def _gain(curves: Curves | None, most: int) -> Expected | None:
    """The gain of twice the images."""
    if curves is None:
        return None
    now, doubled = curves.at([most, 2 * most]).T
    return _expected(doubled - now)


def _expected(values: Array) -> Expected:
    """The first value, and the interval of the others, which holds it."""
    low, high = np.percentile(values[1:], [2.5, 97.5])
    value = float(values[0])
    return Expected(value=value, ci95=(min(float(low), value), max(float(high), value)))


def _band(curves: Curves, fewest: int, most: int) -> LearningBand:
    images = np.linspace(fewest, most, PLACES)
    drawn = curves.at(images)
    low, high = np.percentile(drawn[1:], [2.5, 97.5], axis=0)
    middle = drawn[0]
    return LearningBand(
        images=tuple(images.tolist()),
        low=tuple(np.minimum(low, middle).tolist()),
        middle=tuple(middle.tolist()),
        high=tuple(np.maximum(high, middle).tolist()),
    )


# Words --------------------------------------------------------------------------------------------


def _verdict(gain: Expected | None) -> Literal["will help", "will hardly help", "cannot tell"]:
    if gain is None:
        return "cannot tell"
    low, high = gain.ci95
    if high < HARDLY:
        return "will hardly help"
    return "will help" if low > WORTH else "cannot tell"


def _sentence(verdict: str, gain: Expected | None, expected: Expected | None, points: Sequence[LearningPoint]) -> str:
    if gain is None or expected is None:
        trainable = sum(_has_learnt(point.map) for point in points)
        return (
            f"It cannot be told what twice the labels would gain: of {len(points)} models {trainable} surely found "
            f"something, and it takes {FEWEST_POINTS}. Train for more epochs, or label more images."
        )
    (low, high), images = gain.ci95, f"twice the labels ({2 * points[-1].images} training images)"
    if verdict == "will help":
        return (
            f"More labels will help: {images} would raise mAP by about {gain.value:.3f} (95 %: {low:.3f} to "
            f"{high:.3f}), to about {expected.value:.3f}."
        )
    if verdict == "will hardly help":
        return f"More labels will hardly help: {images} would raise mAP by {high:.3f} at most, with 95 % confidence."
    return (
        f"It cannot be told whether more labels help: {images} would raise mAP by {low:.3f} to {high:.3f} with 95 % "
        "confidence. More images to measure on would narrow that."
    )


def _rule(gain: Expected | None) -> str:
    if gain is None:
        return f"A curve takes {FEWEST_POINTS} numbers of images at which the whole 95 % interval of mAP lies above 0."
    return (
        "mAP is fitted by a - b n^-c, n training images. They help if the whole 95 % interval of the gain lies above "
        f"{WORTH:.2f}, and hardly help if it lies below {HARDLY:.2f}."
    )


def _caveats(points: Sequence[LearningPoint]) -> tuple[str, ...]:
    """What a gain may come from beside labels."""
    rising = [f"{100 * point.share:.0f} %" for point in points if point.still_rising]
    if not rising:
        return ()
    return (
        f"mAP was still rising when training on {', '.join(rising)} of the images ended, so more epochs may gain a "
        "part of that without more labels.",
    )
