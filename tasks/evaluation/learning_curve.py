"""Whether more labels would help: the verdict on models that were trained on parts of the labels. Pure.

The curve is fitted in ``power_law``. Nothing is said about more than twice the images: there the form of the curve
would speak, not the points.
"""

from collections.abc import Sequence
from typing import Literal

from tasks.evaluation.power_law import MIN_POINTS, Point, band_of, estimate_at, estimate_gain, fit, is_above_zero
from tasks.records import Estimate, LearningCurve, LearningPoint

MIN_WORTHWHILE_GAIN = 0.01
"""Gain in mAP that is worth labelling for: more labels help if the whole interval of the gain is above it.

Chosen, as the one below is; what a verdict by them is worth was measured in decision 0047."""
MAX_NEGLIGIBLE_GAIN = 0.02
"""More labels hardly help if the whole interval of the gain is below it."""


def learning_curve(points: Sequence[LearningPoint]) -> LearningCurve:
    """Fit the curve, and say what twice the training images of the largest part would gain."""
    # Parts with very few sources can consist of the same images.
    points = sorted({point.images: point for point in points}.values(), key=lambda point: point.images)
    images = points[-1].independent_images
    curves = fit([(point.independent_images, point.map) for point in points])
    expected = estimate_at(curves, 2 * images) if curves else None
    gain = estimate_gain(curves, images) if curves else None
    verdict = _verdict(gain)
    return LearningCurve(
        points=tuple(points),
        band=band_of(curves, points[0].independent_images, 2 * images) if curves else None,
        map=expected,
        gain=gain,
        per_class={name: _class_gain(points, name) for name in points[-1].per_class},
        verdict=verdict,
        sentence=_sentence(verdict, gain, expected, points),
        rule=_rule(gain),
        caveats=_caveats(points),
    )


def _class_gain(points: Sequence[LearningPoint], name: str) -> Estimate | None:
    of_class: list[Point] = [
        (point.independent_images, point.per_class[name]) for point in points if name in point.per_class
    ]
    curves = fit(of_class)
    return estimate_gain(curves, points[-1].independent_images) if curves else None


def _verdict(gain: Estimate | None) -> Literal["will help", "will hardly help", "cannot tell"]:
    if gain is None:
        return "cannot tell"
    low, high = gain.ci95
    if high < MAX_NEGLIGIBLE_GAIN:
        return "will hardly help"
    return "will help" if low > MIN_WORTHWHILE_GAIN else "cannot tell"


def _sentence(verdict: str, gain: Estimate | None, expected: Estimate | None, points: Sequence[LearningPoint]) -> str:
    if gain is None or expected is None:
        usable = sum(is_above_zero(point.map) for point in points)
        return (
            f"It cannot be told what twice the labels would gain: of {len(points)} models {usable} surely found "
            f"something, and it takes {MIN_POINTS}. Train for more epochs, or label more images."
        )
    last = points[-1]
    unit = "training images" if last.independent_images == last.images else "source images"
    (low, high), images = gain.ci95, f"twice the labels ({2 * last.independent_images} {unit})"
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


def _rule(gain: Estimate | None) -> str:
    if gain is None:
        return f"A curve needs {MIN_POINTS} numbers of images at which the whole 95 % interval of mAP lies above 0."
    return (
        "mAP is fitted by a - b n^-c, n training images (copies of one count once). They "
        "help if the whole 95 % interval of the gain lies above "
        f"{MIN_WORTHWHILE_GAIN:.2f}, and hardly help if it lies below {MAX_NEGLIGIBLE_GAIN:.2f}."
    )


def _caveats(points: Sequence[LearningPoint]) -> tuple[str, ...]:
    """What a gain may come from besides labels."""
    rising = [f"{100 * point.share:.0f} %" for point in points if point.still_rising]
    if not rising:
        return ()
    return (
        f"mAP was still rising when training on {', '.join(rising)} of the images ended, so more epochs may gain a "
        "part of that without more labels.",
    )
