"""What scores and a training run's history mean for what to do next: one rule, one sentence. Pure.

Whoever changes a limit here changes what people are told; each sentence names the rule that said so.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from tasks.metrics.history import RISE, still_rising
from tasks.records import ClassScore, EpochResult, Evaluation, Interval, LearningCurve, Scores, TrainingResult

FEW_SOURCES = 20
"""With fewer source images the intervals themselves are too narrow."""
WIDE = 0.3
"""An AP's interval that is wider from end to end says little about its class."""
FEW_BOXES = 10
"""A class with fewer boxes to find needs labels, however narrow its interval looks."""
AIM = 0.05
"""Half width of mAP's interval that tells most models apart."""
FLAT_GAIN = 0.01
"""A gain of mAP below this share of the best is none."""
FLAT_EPOCHS = 3
"""Epochs without gain that make a plateau; or a tenth of all, if that is more."""
LOSS_RISE = 0.05
"""Rise of the validation loss over its minimum, as a share, that is overfitting."""
LAST_EPOCHS = 3
"""Epochs at the end that all have to show it."""
NAMED = 5
"""Classes that a sentence names, at most."""


class Advice(NamedTuple):
    """A sentence, the rule that said so, and where it is seen in the curves over epochs."""

    text: str
    rule: str
    epoch: int | None = None
    mark: str = ""


# How sure -----------------------------------------------------------------------------------------


def how_sure(evaluation: Evaluation) -> list[Advice]:
    """What can be told from these scores, and what cannot."""
    scores = evaluation.scores
    return [
        _interval_of_map(scores),
        *_few_sources(evaluation.sources),
        *_wide_classes(scores),
        *_flattered(scores),
        *(Advice(_sentence(leak), "Found by the check of the labels.") for leak in evaluation.leaks),
    ]


def _sentence(message: str) -> str:
    return f"{message[0].upper()}{message[1:]}."


def half_width(interval: Interval) -> float:
    """Half of an interval, from end to end."""
    return _width(interval) / 2


def _interval_of_map(scores: Scores) -> Advice:
    if "map" not in scores.ci95:
        return Advice("How sure these numbers are is not known.", "No intervals were computed.")
    low, high = scores.ci95["map"]
    half = half_width((low, high))
    return Advice(
        f"With 95 % confidence mAP lies between {low:.3f} and {high:.3f} on images like these: {scores.map:.3f}, "
        f"give or take about {half:.3f}. Another model's mAP that differs by less than that is not known to differ, "
        "unless both were compared on the same images.",
        "95 % interval by bootstrap over source images.",
    )


def _few_sources(sources: int) -> list[Advice]:
    if sources >= FEW_SOURCES:
        return []
    images = "one source image is" if sources == 1 else f"{sources} source images are"
    return [
        Advice(
            f"Only {images} measured, so the intervals themselves are too narrow. It cannot be told how "
            "good a single class is, nor which of two similar models is better.",
            f"Fewer than {FEW_SOURCES} source images.",
        )
    ]


def _wide_classes(scores: Scores) -> list[Advice]:
    wide = [(name, interval) for name, interval in _ap_intervals(scores) if _width(interval) > WIDE]
    if not wide:
        return []
    shown = [f"{name} ({low:.2f} to {high:.2f})" for name, (low, high) in wide]
    return [
        Advice(
            f"The AP of {len(wide)} of {scores.classes_measured} classes is hardly known: {_some(shown)}.",
            f"Interval of AP wider than {WIDE:.2f} from end to end.",
        )
    ]


def _flattered(scores: Scores) -> list[Advice]:
    if scores.threshold_from is not None:
        return []
    return [
        Advice(
            "Precision, recall and F1 are a little better here than they will be on new images, since the threshold "
            "was chosen on these same images.",
            "Threshold not chosen on another split.",
        )
    ]


# Whether the labels are enough ----------------------------------------------------------------------


def labels_enough(evaluation: Evaluation, learning: LearningCurve | None = None) -> list[Advice]:
    """What more training labels would bring, whether there are enough to measure with, and which classes lack them."""
    measuring = [*_to_halve(evaluation), _needy(evaluation.scores)]
    if learning is None:
        one_run = Advice(
            "How much more training labels would gain cannot be known from one run: nasflow study trains on parts of "
            "the labels, and tells.",
            "A gain needs runs with different numbers of labels.",
        )
        return [*measuring, one_run]
    caveats = (Advice(text, "That of when to stop training, for each run.") for text in learning.caveats)
    return [Advice(learning.sentence, learning.rule), *caveats, *measuring]


def _to_halve(evaluation: Evaluation) -> list[Advice]:
    interval = evaluation.scores.ci95.get("map")
    if interval is None or interval[1] <= interval[0]:
        return []
    sources, half = evaluation.sources, half_width(interval)
    text = (
        f"To halve the interval of mAP takes about 4 times the images to measure on: {4 * sources} source images "
        f"({sources} now)."
    )
    if half > AIM:
        text += f" For an interval of ±{AIM:.2f} (now ±{half:.3f}) it takes about {images_for(sources, half, AIM)}."
    return [Advice(text, "An interval's width falls with the square root of the number of images.")]


def images_for(sources: int, half: float, aim: float) -> int:
    """Source images that narrow an interval of half width ``half`` to ``aim``."""
    return math.ceil(round(sources * (half / aim) ** 2, 6))


def _needy(scores: Scores) -> Advice:
    rule = (
        f"No labelled box, fewer than {FEW_BOXES} boxes, or an interval of AP wider than {WIDE:.2f}, in the images "
        "measured."
    )
    needy = needy_classes(scores)
    if not needy:
        return Advice("No class stands out as lacking labels to measure with.", rule)
    return Advice(f"These classes need labels most: {_some([f'{name} ({why})' for name, why in needy])}.", rule)


def needy_classes(scores: Scores) -> list[tuple[str, str]]:
    """Classes that need labels, and why: those with the fewest boxes first, then those with the widest intervals."""
    intervals = dict(_ap_intervals(scores))
    needy = [
        (name, score, intervals.get(name))
        for name, score in scores.per_class.items()
        if score.truths < FEW_BOXES or (name in intervals and _width(intervals[name]) > WIDE)
    ]
    needy.sort(key=lambda one: (min(one[1].truths, FEW_BOXES), -_width(one[2]), one[0]))
    return [(name, _why(score, interval)) for name, score, interval in needy]


def _why(score: ClassScore, interval: Interval | None) -> str:
    boxes = f"{score.truths or 'no'} box{'' if score.truths == 1 else 'es'}"
    return f"{boxes}, AP {interval[0]:.2f} to {interval[1]:.2f}" if interval else boxes


def _ap_intervals(scores: Scores) -> list[tuple[str, Interval]]:
    """Intervals of AP by class, the widest first."""
    known = [(name, score.ci95["ap"]) for name, score in scores.per_class.items() if "ap" in score.ci95]
    return sorted(known, key=lambda one: (-_width(one[1]), one[0]))


def _width(interval: Interval | None) -> float:
    # Rounded, since 0.6 - 0.3 is more than 0.3 in floating point.
    return round(interval[1] - interval[0], 9) if interval else 0.0


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


# When to stop ---------------------------------------------------------------------------------------


def when_to_stop(history: Sequence[EpochResult], result: TrainingResult | None) -> list[Advice]:
    """Best epoch, plateau, overfitting, and whether more epochs would help; nothing without a history."""
    if not history:
        return []
    best = best_epoch(history, result)
    best_map = max(one.map for one in history)
    if best_map <= 0:
        return [Advice("mAP stayed at 0: nothing was learnt that could be measured.", "mAP on the valid split.")]
    kept = next((one.map for one in history if one.epoch == best), best_map)
    return [
        Advice(
            f"The weights of epoch {best} were kept: mAP {kept:.3f} on the valid split, the highest.",
            "Highest mAP; of equals the one with the lowest validation loss.",
            best,
            "best",
        ),
        _plateau(history),
        _overfitting(history),
        _more_epochs(history, result),
    ]


def best_epoch(history: Sequence[EpochResult], result: TrainingResult | None) -> int:
    """The epoch whose weights were kept."""
    if result:
        return result.best_epoch
    return max(history, key=lambda one: (one.map, -one.valid_losses["total"])).epoch


def flat_since(history: Sequence[EpochResult]) -> int | None:
    """First epoch within 1 % of the best mAP, if enough epochs came after it to call that a plateau."""
    enough = (1 - FLAT_GAIN) * max(one.map for one in history)
    first = next(index for index, one in enumerate(history) if one.map >= enough)
    after = len(history) - 1 - first
    return history[first].epoch if after >= max(FLAT_EPOCHS, len(history) / 10) else None


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _plateau(history: Sequence[EpochResult]) -> Advice:
    rule = (
        f"At least {FLAT_EPOCHS} epochs, and a tenth of all, after the first one within {_percent(FLAT_GAIN)} of the "
        "best mAP."
    )
    epoch = flat_since(history)
    if epoch is None:
        return Advice("There is no plateau: mAP came to its best near the end.", rule)
    after = history[-1].epoch - epoch
    return Advice(
        f"Since epoch {epoch} nothing more was gained: the {after} epochs after it raised mAP by less than "
        f"{_percent(FLAT_GAIN)}.",
        rule,
        epoch,
        "flat since",
    )


def overfits_since(history: Sequence[EpochResult]) -> int | None:
    """Epoch of the lowest validation loss, if that rose for good afterwards while the training loss fell."""
    lowest = min(range(len(history)), key=lambda index: history[index].valid_losses["total"])
    last = history[-LAST_EPOCHS:]
    if lowest >= len(history) - LAST_EPOCHS:
        return None
    least = history[lowest].valid_losses["total"]
    risen = min(one.valid_losses["total"] for one in last) > (1 + LOSS_RISE) * least
    fallen = sum(one.losses["total"] for one in last) / len(last) < history[lowest].losses["total"]
    return history[lowest].epoch if risen and fallen else None


def _overfitting(history: Sequence[EpochResult]) -> Advice:
    rule = (
        f"Validation loss of the last {LAST_EPOCHS} epochs over {_percent(LOSS_RISE)} above its minimum, while the "
        "training loss fell."
    )
    epoch = overfits_since(history)
    if epoch is None:
        return Advice("There is no sign of overfitting.", rule)
    return Advice(
        f"After epoch {epoch} it overfits: it learnt the training images by heart, while the loss on others rose. "
        "More labels or stronger augmentation help; more epochs do not.",
        rule,
        epoch,
        "overfits after",
    )


def _more_epochs(history: Sequence[EpochResult], result: TrainingResult | None) -> Advice:
    if result and result.ended == "patience":
        return Advice(
            "More epochs would hardly help: training ended by itself.", "No better mAP for as many epochs as patience."
        )
    rising = result.still_rising if result else still_rising(history)
    rule = f"Best mAP of the last fifth of the epochs at least {RISE:.2f} above the best before it."
    if rising:
        return Advice("More epochs would probably help: mAP was still rising at the end.", rule)
    return Advice("More epochs would hardly help: mAP was not rising any more.", rule)
