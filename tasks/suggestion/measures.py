"""What makes an image worth labelling, in [0, 1]: uncertainty and rarity; unlikeness is in ``nearest``. Pure.

Uncertainty is least-confidence sampling (Lewis and Gale, 1994; Settles, 2009) for the yes or no of a box at the
threshold, and of the boxes of an image the largest counts, as one aggregation of Brust et al. (2019). Unlikeness is the
distance that the greedy k-centre choice maximizes (Sener and Savarese, 2018), between difference hashes instead of
features of a network. Rarity weighs classes by their number of labels, as Brust et al. do against imbalance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.records import DetectedObject

FLOOR = 0.5
"""Boxes below the threshold count from this share of it on."""


@dataclass(frozen=True)
class ModelFacts:
    """What is known of the model that looked."""

    threshold: float
    """Confidence threshold."""
    boxes: Mapping[str, int] | None = None
    """Boxes in its training images by class; None where the labels are not at hand."""


def box_uncertainty(score: float, threshold: float) -> float:
    """How uncertain it is whether a box counts.

    Args:
        score: Score of the box.
        threshold: Confidence threshold.

    Returns:
        1 at the threshold, falling in straight lines to 0 at the scores 0 and 1.
    """
    if score < threshold:
        return score / threshold
    return (1 - score) / (1 - threshold) if threshold < 1 else 1.0


def max_uncertainty(objects: Sequence[DetectedObject], threshold: float) -> tuple[float, DetectedObject | None]:
    """The largest uncertainty of the boxes of an image, and its box; 0 and None without boxes."""
    measured = [(box_uncertainty(one.score, threshold), one) for one in objects]
    return max(measured, key=lambda pair: pair[0], default=(0.0, None))


def class_rarity(name: str, boxes: Mapping[str, int]) -> float:
    """How rare a class is in the training images: 0 for the most frequent class, 1 for one without boxes."""
    largest = max(boxes.values(), default=0)
    return 1 - boxes.get(name, 0) / largest if largest else 0.0


def max_rarity(objects: Sequence[DetectedObject], boxes: Mapping[str, int] | None) -> tuple[float, str | None]:
    """The largest rarity of the classes of boxes, and its class; 0 and None without boxes or counts."""
    if boxes is None:
        return 0.0, None
    measured = [(class_rarity(one.class_name, boxes), one.class_name) for one in objects]
    return max(measured, key=lambda pair: pair[0], default=(0.0, None))
