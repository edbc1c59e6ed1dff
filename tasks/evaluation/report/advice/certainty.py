"""How certain the scores are: what they show, and what they do not."""

from tasks.evaluation.report.advice.sentences import MAX_WIDTH, Advice, ap_intervals, first_few, width
from tasks.records import Evaluation, Scores

MIN_SOURCES = 20
"""With fewer source images the intervals themselves are too narrow; decision 0042 measured them from here on."""


def how_sure(evaluation: Evaluation) -> list[Advice]:
    """The interval of mAP first; then whatever makes the scores less certain than they look."""
    scores = evaluation.scores
    return [
        _interval_of_map(scores),
        *_few_sources(evaluation.sources),
        *_wide_classes(scores),
        *_threshold_on_same_images(scores),
        *(Advice(f"{leak[0].upper()}{leak[1:]}.", "Found by the check of the labels.") for leak in evaluation.leaks),
    ]


def _interval_of_map(scores: Scores) -> Advice:
    if "map" not in scores.ci95:
        return Advice("How sure these numbers are is not known.", "No intervals were computed.")
    low, high = scores.ci95["map"]
    return Advice(
        f"With 95 % confidence mAP lies between {low:.3f} and {high:.3f} on images like these: {scores.map:.3f}, "
        f"give or take about {width((low, high)) / 2:.3f}. Another model's mAP that differs by less than that is not "
        "known to differ, unless both were compared on the same images.",
        "95 % interval by bootstrap over source images.",
    )


def _few_sources(sources: int) -> list[Advice]:
    if sources >= MIN_SOURCES:
        return []
    images = "one source image is" if sources == 1 else f"{sources} source images are"
    return [
        Advice(
            f"Only {images} measured, so the intervals themselves are too narrow. It cannot be told how "
            "good a single class is, nor which of two similar models is better.",
            f"Fewer than {MIN_SOURCES} source images.",
        )
    ]


def _wide_classes(scores: Scores) -> list[Advice]:
    wide = [(name, interval) for name, interval in ap_intervals(scores) if width(interval) > MAX_WIDTH]
    if not wide:
        return []
    classes = first_few([f"{name} ({low:.2f} to {high:.2f})" for name, (low, high) in wide])
    return [
        Advice(
            f"The AP of {len(wide)} of {scores.classes_measured} classes is hardly known: {classes}.",
            f"Interval of AP wider than {MAX_WIDTH:.2f} from end to end.",
        )
    ]


def _threshold_on_same_images(scores: Scores) -> list[Advice]:
    if scores.threshold_from is not None:
        return []
    return [
        Advice(
            "Precision, recall and F1 are a little better here than they will be on new images, because the "
            "confidence threshold was chosen on these same images.",
            "Threshold not chosen on another split.",
        )
    ]
