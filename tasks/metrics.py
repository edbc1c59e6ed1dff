"""COCO scores of boxes. The one place that talks to hotcoco; no files, no pictures, no network.

Boxes of detections are COCO's: ``[x, y, width, height]`` in pixels of the picture. Pictures and classes are joined by
id: picture ids count from 1 in the order given, category id = class index + 1.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import hotcoco
import numpy as np
from numpy.typing import NDArray

from tasks.errors import BadInput
from tasks.records import ClassScore, LabelledImage, Scores

MAX_DETECTIONS = 100
"""Detections that count per picture and class, the best first; COCO's number."""
RESAMPLES = 300
"""Bootstrap resamples behind an interval."""

_IOUS = np.linspace(0.5, 0.95, 10)
_RECALLS = np.linspace(0.0, 1.0, 101)
_IOU_50, _IOU_75 = 0, 5


class _Point(NamedTuple):
    """Where F1 is best."""

    precision: float
    recall: float
    threshold: float


class _Found(NamedTuple):
    """Detections as columns, in the order given, and truths by class and picture."""

    images: NDArray[np.int64]  # [D], index of the picture
    classes: NDArray[np.int64]  # [D], index of the category
    scores: NDArray[np.float64]  # [D]
    truths: NDArray[np.int64]  # [K, I], truths to find: crowds do not count


def coco_truth(images: Sequence[LabelledImage], classes: Sequence[str]) -> dict[str, Any]:
    """Labels as a COCO document: picture ids 1 to n in order, category id = class index + 1, boxes in pixels."""
    # Annotation ids begin at 1, since COCO's reference takes a match with id 0 for a miss.
    numbered = [(image_id, box) for image_id, image in enumerate(images, start=1) for box in image.boxes]
    return {
        "images": [
            {"id": image_id, "file_name": image.file_name, "width": image.width, "height": image.height}
            for image_id, image in enumerate(images, start=1)
        ],
        "categories": [{"id": index + 1, "name": name} for index, name in enumerate(classes)],
        "annotations": [
            {
                "id": annotation_id,
                "image_id": image_id,
                "category_id": box.class_index + 1,
                "bbox": [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1],
                "area": (box.x2 - box.x1) * (box.y2 - box.y1),
                "iscrowd": 0,
            }
            for annotation_id, (image_id, box) in enumerate(numbered, start=1)
        ],
    }


def score(
    truth: Mapping[str, Any],
    detections: Sequence[Mapping[str, Any]],
    *,
    intervals: bool = False,
    seed: int = 0,
) -> Scores:
    """Score detections as COCO does: IoU 0.50 to 0.95, at most 100 detections per picture and class, all sizes.

    Args:
        truth: COCO document, as :func:`coco_truth` makes it.
        detections: COCO results: ``image_id``, ``category_id``, ``bbox`` and ``score`` in [0, 1]. Give all that the
            network says, since a cut by score lowers AP.
        intervals: Add 95 % intervals of map and map50 by resampling pictures.
        seed: Seed of the resampling.

    Returns:
        Fractions in [0, 1]. Classes without truths have no AP and stay out of the means. Precision and recall are
        those at the score with the best F1 at IoU 0.50; of equally good scores the highest is taken.

    Raises:
        BadInput: there is no box to find.
    """
    found = _columns(truth, detections)
    if not found.truths.any():
        raise BadInput(
            f"not measurable: {len(truth['images'])} pictures hold no labelled box to find; "
            "label some, or measure another split"
        )
    evaluation = _evaluate(truth, detections)
    ap = _average_precision(evaluation)
    counts, hits = _outcomes(evaluation, len(detections), _IOUS[_IOU_50])
    measured = found.truths.any(axis=1)
    means = ap[:, measured].mean(axis=1)
    best = _best_f1(found.scores[counts], hits[counts], int(found.truths.sum())) or _Point(0.0, 0.0, 0.0)
    return Scores(
        map=_fraction(means.mean()),
        map50=_fraction(means[_IOU_50]),
        map75=_fraction(means[_IOU_75]),
        precision=best.precision,
        recall=best.recall,
        threshold=best.threshold,
        per_class={
            str(category["name"]): _class_score(index, ap[:, index], found, counts, hits)
            for index, category in enumerate(_categories(truth))
        },
        ci95=_intervals(evaluation, found, means, seed) if intervals else {},
    )


def _categories(truth: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Categories by id, which is the order of COCO's arrays."""
    return sorted(truth["categories"], key=lambda category: int(category["id"]))


def _columns(truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]]) -> _Found:
    images = sorted(truth["images"], key=lambda image: int(image["id"]))
    image_index = {image["id"]: index for index, image in enumerate(images)}
    class_index = {category["id"]: index for index, category in enumerate(_categories(truth))}
    truths = np.zeros((len(class_index), len(image_index)), dtype=np.int64)
    for box in truth["annotations"]:
        if not box.get("iscrowd"):
            truths[class_index[box["category_id"]], image_index[box["image_id"]]] += 1
    return _Found(
        images=np.array([image_index[d["image_id"]] for d in detections], dtype=np.int64),
        classes=np.array([class_index[d["category_id"]] for d in detections], dtype=np.int64),
        scores=np.array([d["score"] for d in detections], dtype=np.float64),
        truths=truths,
    )


def _evaluate(truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]]) -> Any:
    """Match and accumulate. Rows of the array become ids 1 to n, so that outcomes are found by position."""
    rows = [(d["image_id"], *d["bbox"], d["score"], d["category_id"]) for d in detections]
    labels = hotcoco.COCO(dict(truth))
    results = labels.load_res(np.array(rows, dtype=np.float64) if rows else [])
    evaluation = hotcoco.COCOeval(labels, results, "bbox")
    # Only what is read here. The summary of the library is not: with parameters of one's own it says -1.
    evaluation.params.iouThrs = _IOUS.tolist()
    evaluation.params.maxDets = [MAX_DETECTIONS]
    evaluation.params.areaRng = [[0.0, 1e10]]
    evaluation.params.areaRngLbl = ["all"]
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation


def _average_precision(evaluation: Any) -> NDArray[np.float64]:
    """AP[T, K] from the precision array [T, R, K, 1, 1]; -1 for classes without truths."""
    precision: NDArray[np.float64] = evaluation.eval["precision"][:, :, :, 0, 0]
    return np.asarray(precision.mean(axis=1), dtype=np.float64)


def _outcomes(evaluation: Any, count: int, iou: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which detections count at an IoU, and which of them are hits.

    Those on crowds, and those beyond the first hundred of a picture and class, do not count.
    """
    status: dict[int, str] = evaluation.image_diagnostics(iou_thr=float(iou))["dt_status"]
    counts, hits = np.zeros(count, dtype=np.bool_), np.zeros(count, dtype=np.bool_)
    if status:
        counts[np.fromiter(status, dtype=np.int64) - 1] = True
        hits[np.array([number for number, what in status.items() if what == "tp"], dtype=np.int64) - 1] = True
    return counts, hits


def _best_f1(scores: NDArray[np.float64], hits: NDArray[np.bool_], truths: int) -> _Point | None:
    """The score at which F1 is best, the highest of equals; None without detections."""
    if not len(scores):
        return None
    order = np.argsort(-scores, kind="stable")
    ranked, true = scores[order], np.cumsum(hits[order])
    # Equal scores pass a threshold together: only the last of each counts.
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    f1 = 2 * true[last] / (last + 1 + truths)
    at = last[np.argmax(f1)]
    return _Point(float(true[at] / (at + 1)), float(true[at] / truths), float(ranked[at]))


def _class_score(
    index: int,
    ap: NDArray[np.float64],
    found: _Found,
    counts: NDArray[np.bool_],
    hits: NDArray[np.bool_],
) -> ClassScore:
    truths = int(found.truths[index].sum())
    if not truths:
        return ClassScore(ap=None, ap50=None, precision=None, recall=None, threshold=None, truths=0)
    chosen = counts & (found.classes == index)
    best = _best_f1(found.scores[chosen], hits[chosen], truths)
    return ClassScore(
        ap=_fraction(ap.mean()),
        ap50=_fraction(ap[_IOU_50]),
        precision=best.precision if best else 0.0,
        recall=best.recall if best else 0.0,
        threshold=best.threshold if best else None,
        truths=truths,
    )


def _fraction(value: float) -> float:
    """A mean as a fraction in [0, 1]. Rounded, since COCO's epsilon makes 0.9999999999999998 of a perfect score."""
    return min(1.0, max(0.0, round(float(value), 12)))


# Intervals ---------------------------------------------------------------------------------------


def _intervals(evaluation: Any, found: _Found, means: NDArray[np.float64], seed: int) -> dict[str, tuple[float, float]]:
    """95 % intervals: the score, give or take 1.96 standard errors by bootstrap over pictures.

    The library's own bootstrap leaves out that a resample holds pictures twice, and gives intervals a fifth too
    narrow. Percentiles are not taken, since AP of a resample is biased upwards.
    """
    pictures = found.truths.shape[1]
    draws = np.random.default_rng(seed).multinomial(pictures, np.full(pictures, 1 / pictures), size=RESAMPLES)
    sums, classes = np.zeros((RESAMPLES, len(_IOUS))), np.zeros(RESAMPLES)
    outcomes = [_outcomes(evaluation, len(found.scores), iou) for iou in _IOUS]
    counts, hits = np.array([o[0] for o in outcomes]), np.array([o[1] for o in outcomes])
    for index in np.flatnonzero(found.truths.any(axis=1)):
        chosen = np.flatnonzero(found.classes == index)
        # COCO's order: by score, then picture, then as given.
        chosen = chosen[np.lexsort((found.images[chosen], -found.scores[chosen]))]
        truths = draws @ found.truths[index]
        # A few resamples at a time, for the memory: one class may have a hundred thousand detections.
        for some in np.array_split(np.arange(RESAMPLES), 10):
            weights = draws[some][:, found.images[chosen]]
            sums[some] += _resampled_ap(weights, hits[:, chosen], counts[:, chosen], truths[some])
        classes += truths > 0
    drawn = sums[classes > 0] / classes[classes > 0, None]
    return {
        "map": _around(float(means.mean()), drawn.mean(axis=1)),
        "map50": _around(float(means[_IOU_50]), drawn[:, _IOU_50]),
    }


def _resampled_ap(
    weights: NDArray[np.int64], hits: NDArray[np.bool_], counts: NDArray[np.bool_], truths: NDArray[np.int64]
) -> NDArray[np.float64]:
    """AP[N, T] of N resamples of ranked detections [T, D] that occur weights[N, D] times; 0 without truths[N]."""
    # Precision peaks at hits, so plain misses, which are most of all detections, need only be counted between them.
    special = hits.any(axis=0) | ~counts.all(axis=0)
    misses = np.cumsum(weights * ~special, axis=1)[:, special]
    weights, hits, counts = weights[:, special], hits[:, special], counts[:, special]
    result = np.zeros((len(weights), len(hits)))
    for draw in np.flatnonzero(truths):
        true = np.cumsum(hits * weights[draw], axis=1)
        precision = true / np.maximum(np.cumsum(counts * weights[draw], axis=1) + misses[draw], 1)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        padded = np.pad(envelope, ((0, 0), (0, 1)))
        recall = true / truths[draw]
        for at, (row, ranks) in enumerate(zip(padded, recall, strict=True)):
            result[draw, at] = row[np.searchsorted(ranks, _RECALLS)].mean()
    return result


def _around(value: float, drawn: NDArray[np.float64]) -> tuple[float, float]:
    margin = 1.96 * float(drawn.std())
    return _fraction(value - margin), _fraction(value + margin)
