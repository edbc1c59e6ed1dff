"""Whether the labels are enough: to train, to measure, and which classes lack them."""

import math

from tasks.evaluation.report.advice.sentences import MAX_WIDTH, Advice, ap_intervals, first_few, width
from tasks.records import ClassScore, Evaluation, Interval, LearningCurve, Scores

MIN_BOXES = 10
"""A class with fewer boxes to find needs labels, however narrow its interval looks. Chosen, as the number below is."""
TARGET_HALF_WIDTH = 0.05
"""Half width of mAP's interval that distinguishes most models."""


def labels_enough(evaluation: Evaluation, learning: LearningCurve | None = None) -> list[Advice]:
    """What more training labels would gain, whether there are enough to measure with, and which classes lack them."""
    measuring = [*_images_to_measure(evaluation), _classes_lacking_labels(evaluation.scores)]
    if learning is None:
        one_run = Advice(
            "How much more training labels would gain cannot be known from one run: nasflow study trains on parts of "
            "the labels, and tells.",
            "A gain needs runs with different numbers of labels.",
        )
        return [*measuring, one_run]
    caveats = (Advice(text, "That of when to stop training, for each run.") for text in learning.caveats)
    return [Advice(learning.sentence, learning.rule), *caveats, *measuring]


def images_for(sources: int, half_width: float, target: float) -> int:
    """How many source images narrow an interval to a target.

    Args:
        sources: Number of source images now.
        half_width: Half width of the interval now.
        target: Half width to reach.

    Returns:
        Number of source images in all.
    """
    return math.ceil(round(sources * (half_width / target) ** 2, 6))


def classes_lacking_labels(scores: Scores) -> list[tuple[str, str]]:
    """Classes that need labels, and why: those with the fewest boxes first, then those with the widest intervals."""
    intervals = dict(ap_intervals(scores))
    lacking = [
        (name, score, intervals.get(name))
        for name, score in scores.per_class.items()
        if score.truths < MIN_BOXES or (name in intervals and width(intervals[name]) > MAX_WIDTH)
    ]
    lacking.sort(key=lambda item: (min(item[1].truths, MIN_BOXES), -width(item[2]), item[0]))
    return [(name, _reason(score, interval)) for name, score, interval in lacking]


def _images_to_measure(evaluation: Evaluation) -> list[Advice]:
    interval = evaluation.scores.ci95.get("map")
    if interval is None or interval[1] <= interval[0]:
        return []
    sources, half_width, target = evaluation.sources, width(interval) / 2, TARGET_HALF_WIDTH
    text = (
        f"To halve the interval of mAP takes about 4 times the images to measure on: {4 * sources} source images "
        f"({sources} now)."
    )
    if half_width > target:
        needed = images_for(sources, half_width, target)
        text += f" For an interval of ±{target:.2f} (now ±{half_width:.3f}) it takes about {needed}."
    return [Advice(text, "An interval's width falls with the square root of the number of images.")]


def _classes_lacking_labels(scores: Scores) -> Advice:
    rule = (
        f"No labelled box, fewer than {MIN_BOXES} boxes, or an interval of AP wider than {MAX_WIDTH:.2f}, in the "
        "images measured."
    )
    lacking = classes_lacking_labels(scores)
    if not lacking:
        return Advice("No class stands out as lacking labels to measure with.", rule)
    names = first_few([f"{name} ({reason})" for name, reason in lacking])
    return Advice(f"These classes need labels most: {names}.", rule)


def _reason(score: ClassScore, interval: Interval | None) -> str:
    boxes = f"{score.truths or 'no'} box{'' if score.truths == 1 else 'es'}"
    return f"{boxes}, AP {interval[0]:.2f} to {interval[1]:.2f}" if interval else boxes
