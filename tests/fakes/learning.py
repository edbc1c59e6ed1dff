"""Points of learning curves, from known curves."""

from tasks.evaluation.learning_curve import learning_curve
from tasks.records import LearningPoint, Measurement

SHARES = (0.25, 0.5, 0.75, 1.0)


def power(a, b, c, images):
    """The curve a - b n^-c."""
    return a - b * images**-c


def measured(value, half):
    return Measurement(value=min(1.0, max(0.0, value)), ci95=None if half is None else (value - half, value + half))


def point(images, value, half=0.02, *, share=1.0, rising=False, **classes):
    return LearningPoint(
        share=share, images=images, run_key="a" * 64, still_rising=rising, map=measured(value, half),
        per_class={name: measured(ap, half) for name, ap in classes.items()},
    )  # fmt: skip


def points(values, half=0.02, images=100):
    """Points at a quarter, a half, three quarters and all of the images."""
    return [point(round(images * share), value, half, share=share) for share, value in zip(SHARES, values, strict=True)]


def study(classes, values=(0.3, 0.38, 0.4, 0.412), half=0.03):
    """A learning curve: the first class gains as all do, the last has too few points, the others gain nothing."""
    class_points = [
        {name: measured(0.7, half) for name in classes[1:-1]} | {classes[0]: measured(v, half)} for v in values
    ]
    class_points[-1][classes[-1]] = measured(0.1, half)
    pairs = zip(points(values, half), class_points, strict=True)
    return learning_curve([one.model_copy(update={"per_class": per_class}) for one, per_class in pairs])
