"""Images for the report page: what was labelled beside what was found, by kind of mistake, the worst first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tasks.evaluation.report.drawing import Drawn, draw_boxes, open_view
from tasks.records import Box, LabelledImage

Mistake = Literal["missed", "invented", "confused", "loose"]
MISTAKES: tuple[Mistake, ...] = ("missed", "invented", "confused", "loose")
SIDE = 640
"""Longer side of the drawn images, in pixels."""
MATCH_IOU = 0.5
LOOSE_IOU = 0.1
"""Below this a detection is not of that truth at all."""
_GOOD_SHARE = 4
"""One in so many images shows a success, if there are any."""


@dataclass(frozen=True)
class ReportImage:
    """One image with its boxes drawn in, twice."""

    file_name: str
    kind: Literal["missed", "invented", "confused", "loose", "good"]
    """The mistake that it is shown for."""
    correct: int
    mistakes: Mapping[Mistake, int]
    """How many of each: labels that are missed, and detections that are wrong."""
    truth_alt: str
    found_alt: str
    truth_jpeg: bytes
    found_jpeg: bytes


@dataclass
class _Compared:
    """One image's boxes, matched; corners in pixels. What became of a box is empty where all is well."""

    image: LabelledImage
    found: list[tuple[Box, float]]
    of_truths: list[Mistake | None]
    of_found: list[Mistake | None] = field(default_factory=list)

    def count(self, mistake: Mistake) -> int:
        return (self.of_truths if mistake == "missed" else self.of_found).count(mistake)

    def cost(self, mistake: Mistake) -> tuple[float, ...]:
        """How many there are, and of equals how sure the detections were."""
        sure = sum(score for (_, score), what in zip(self.found, self.of_found, strict=True) if what == mistake)
        return self.count(mistake), round(sure, 9)

    @property
    def is_good(self) -> bool:
        return not any(self.of_truths) and not any(self.of_found)


def compare_images(
    images: Sequence[LabelledImage],
    classes: Sequence[str],
    detections: Sequence[Mapping[str, Any]],
    threshold: float,
    image_path: Callable[[LabelledImage], Path],
    limit: int,
) -> list[ReportImage]:
    """Draw the worst images of each kind of mistake, then a few without any.

    Args:
        images: Images; the first has image id 1.
        classes: Names by class index.
        detections: COCO results; category id = class index + 1.
        threshold: Detections with a lower score are left out, a fraction.
        image_path: Where an image's file is.
        limit: At most so many images; each is drawn once.
    """
    found: dict[int, list[tuple[Box, float]]] = {}
    for one in detections:
        if one["score"] >= threshold:
            x, y, width, height = one["bbox"]
            box = Box(one["category_id"] - 1, x, y, x + width, y + height)
            found.setdefault(one["image_id"], []).append((box, one["score"]))
    compared = [_compare(image, found.get(number, [])) for number, image in enumerate(images, start=1)]
    good = sorted(
        (one for one in compared if one.is_good and one.image.boxes),
        key=lambda one: (-len(one.image.boxes), one.image.file_name),
    )
    wrong = sum(not one.is_good for one in compared)
    shown_good = good[: max(limit // _GOOD_SHARE, limit - wrong)]
    bad = _worst(compared, limit - len(shown_good))
    return [
        *(_draw_both(one, kind, classes, image_path(one.image)) for kind in MISTAKES for one in bad[kind]),
        *(_draw_both(one, "good", classes, image_path(one.image)) for one in shown_good),
    ]


def _worst(compared: Sequence[_Compared], limit: int) -> dict[Mistake, list[_Compared]]:
    """Kinds take turns to choose their worst image that is not yet chosen, so that a rare kind is seen, too."""
    ranked = {
        kind: sorted(
            (one for one in compared if one.count(kind)),
            key=lambda one: (*(-cost for cost in one.cost(kind)), one.image.file_name),
        )
        for kind in MISTAKES
    }
    chosen: dict[Mistake, list[_Compared]] = {kind: [] for kind in MISTAKES}
    taken: set[int] = set()
    while len(taken) < limit and any(ranked.values()):
        for kind in MISTAKES:
            left = ranked[kind] = [one for one in ranked[kind] if id(one) not in taken]
            if left and len(taken) < limit:
                taken.add(id(left[0]))
                chosen[kind].append(left[0])
    return chosen


def _compare(image: LabelledImage, found: list[tuple[Box, float]]) -> _Compared:
    """Match as COCO does: by falling score, each with the best free truth of its class from IoU 0.50 on."""
    result = _Compared(image, sorted(found, key=lambda one: -one[1]), ["missed"] * len(image.boxes))
    for box, _ in result.found:
        match = _best(result, box, lambda same, overlap: same and overlap >= MATCH_IOU)
        result.of_found.append("invented" if match is None else None)
        if match is not None:
            result.of_truths[match] = None
    touched: dict[int, Mistake] = {}
    for number, (box, _) in enumerate(result.found):
        if result.of_found[number]:
            _explain(result, number, box, touched)
    for index, mistake in touched.items():
        result.of_truths[index] = mistake
    return result


def _explain(result: _Compared, number: int, box: Box, touched: dict[int, Mistake]) -> None:
    """Say what an unmatched detection was about: a truth of another class, one of its own, or nothing."""
    confused = _best(result, box, lambda same, overlap: not same and overlap >= MATCH_IOU)
    loose = _best(result, box, lambda same, overlap: same and overlap >= LOOSE_IOU)
    if confused is not None:
        result.of_found[number] = "confused"
        touched.setdefault(confused, "confused")
    elif loose is not None:
        result.of_found[number] = "loose"
        touched.setdefault(loose, "loose")


def _best(result: _Compared, box: Box, fits: Callable[[bool, float], bool]) -> int | None:
    """The free truth that overlaps most, of those that fit by class and IoU."""
    overlaps = {
        index: overlap
        for index, truth in enumerate(result.image.boxes)
        if result.of_truths[index]
        if fits(truth.class_index == box.class_index, overlap := _iou(box, truth))
    }
    return max(overlaps, key=overlaps.__getitem__) if overlaps else None


def _iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, in [0, 1]."""
    both = max(0.0, min(a.x2, b.x2) - max(a.x1, b.x1)) * max(0.0, min(a.y2, b.y2) - max(a.y1, b.y1))
    union = (a.x2 - a.x1) * (a.y2 - a.y1) + (b.x2 - b.x1) * (b.y2 - b.y1) - both
    return both / union if union > 0 else 0.0


def _draw_both(compared: _Compared, kind: Literal[Mistake, "good"], classes: Sequence[str], path: Path) -> ReportImage:
    image = compared.image
    view = open_view(path, (0, 0, image.width, image.height), SIDE)
    truths = list(zip(image.boxes, [classes[box.class_index] for box in image.boxes], compared.of_truths, strict=True))
    found = [
        (box, f"{classes[box.class_index]} {score:.2f}", what)
        for (box, score), what in zip(compared.found, compared.of_found, strict=True)
    ]
    return ReportImage(
        file_name=image.file_name,
        kind=kind,
        correct=compared.of_found.count(None),
        mistakes={mistake: compared.count(mistake) for mistake in MISTAKES},
        truth_alt=f"Labels of {image.file_name}: {_in_words(truths)}",
        found_alt=f"Detections in {image.file_name}: {_in_words(found)}",
        truth_jpeg=draw_boxes(view, [Drawn(box, label, what is not None) for box, label, what in truths]),
        found_jpeg=draw_boxes(view, [Drawn(box, label, what is not None) for box, label, what in found]),
    )


def _in_words(boxes: Sequence[tuple[Box, str, Mistake | None]]) -> str:
    return ", ".join(f"{label} ({what})" if what else label for _, label, what in boxes) or "none"
