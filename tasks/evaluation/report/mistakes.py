"""Which boxes of one image are right, and which kind of mistake the others are. Matched as COCO does, at IoU 0.50."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tasks.metrics.overlap import iou
from tasks.records import Box, LabelledImage

Mistake = Literal["false negative", "false positive", "wrong class", "loose box"]
MISTAKES: tuple[Mistake, ...] = ("false negative", "false positive", "wrong class", "loose box")
MATCH_IOU = 0.5
MIN_LOOSE_IOU = 0.1
"""Below this a detection has nothing to do with a label; both thresholds are those of TIDE (Bolya et al. 2020)."""

ScoredBox = tuple[Box, float]
"""A detection: its box, and its score in [0, 1]."""


@dataclass
class ComparedImage:
    """One image's labels and detections, matched; corners in pixels. The mistake of a box is None if it is right."""

    labelled: LabelledImage
    detections: list[ScoredBox]
    """By falling score."""
    label_mistakes: list[Mistake | None]
    """Of each box of the image."""
    detection_mistakes: list[Mistake | None] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether every label is found and every detection is right."""
        return not any(self.label_mistakes) and not any(self.detection_mistakes)

    @property
    def correct(self) -> int:
        """Number of true positives."""
        return self.detection_mistakes.count(None)

    def count(self, mistake: Mistake) -> int:
        """Number of mistakes of a kind: labels for false negatives, detections for the others."""
        mistakes = self.label_mistakes if mistake == "false negative" else self.detection_mistakes
        return mistakes.count(mistake)

    def cost(self, mistake: Mistake) -> tuple[float, ...]:
        """What images are ranked by: the number of mistakes of a kind, then the sum of their scores."""
        pairs = zip(self.detections, self.detection_mistakes, strict=True)
        return self.count(mistake), round(sum(score for (_, score), kind in pairs if kind == mistake), 9)


def compare_boxes(
    images: Sequence[LabelledImage], detections: Sequence[Mapping[str, Any]], threshold: float
) -> list[ComparedImage]:
    """Match the detections of each image with its labels.

    Args:
        images: Images; the first has image id 1.
        detections: COCO results; category id = class index + 1.
        threshold: Confidence threshold in [0, 1]; detections with a lower score are left out.

    Returns:
        One for each image, in order.
    """
    by_image: dict[int, list[ScoredBox]] = {}
    for detection in detections:
        if detection["score"] >= threshold:
            x, y, width, height = detection["bbox"]
            box = Box(detection["category_id"] - 1, x, y, x + width, y + height)
            by_image.setdefault(detection["image_id"], []).append((box, detection["score"]))
    return [_compare(image, by_image.get(image_id, [])) for image_id, image in enumerate(images, start=1)]


def _compare(image: LabelledImage, detections: list[ScoredBox]) -> ComparedImage:
    """Match by falling score: each detection gets the best free label of its class from IoU 0.50 on."""
    by_score = sorted(detections, key=lambda detection: -detection[1])
    compared = ComparedImage(image, by_score, ["false negative"] * len(image.boxes))
    for box, _ in compared.detections:
        label = _best_free_label(compared, box, lambda same_class, iou: same_class and iou >= MATCH_IOU)
        compared.detection_mistakes.append("false positive" if label is None else None)
        if label is not None:
            compared.label_mistakes[label] = None
    label_mistakes: dict[int, Mistake] = {}
    for number, (box, _) in enumerate(compared.detections):
        if compared.detection_mistakes[number]:
            _explain(compared, number, box, label_mistakes)
    for label, mistake in label_mistakes.items():
        compared.label_mistakes[label] = mistake
    return compared


def _explain(compared: ComparedImage, number: int, box: Box, label_mistakes: dict[int, Mistake]) -> None:
    """Say what an unmatched detection belongs to: a label of another class, one of its own class, or nothing."""
    wrong_class = _best_free_label(compared, box, lambda same_class, iou: not same_class and iou >= MATCH_IOU)
    loose_box = _best_free_label(compared, box, lambda same_class, iou: same_class and iou >= MIN_LOOSE_IOU)
    if wrong_class is not None:
        compared.detection_mistakes[number] = "wrong class"
        label_mistakes.setdefault(wrong_class, "wrong class")
    elif loose_box is not None:
        compared.detection_mistakes[number] = "loose box"
        label_mistakes.setdefault(loose_box, "loose box")


def _best_free_label(compared: ComparedImage, box: Box, fits: Callable[[bool, float], bool]) -> int | None:
    """Index of the unmatched label that overlaps most, of those that fit by class and IoU."""
    overlaps = {
        index: overlap
        for index, label in enumerate(compared.labelled.boxes)
        if compared.label_mistakes[index]
        if fits(label.class_index == box.class_index, overlap := iou(box, label))
    }
    return max(overlaps, key=overlaps.__getitem__) if overlaps else None
