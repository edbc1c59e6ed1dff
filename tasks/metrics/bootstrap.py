"""Bootstrap over source images: which images each resample holds, and the AP and recall of each resample.

Versions of one image, and frames of one clip, are drawn together, because they are right or wrong together. hotcoco's
own bootstrap draws single images and ignores that a resample holds some of them twice: its intervals are a fifth too
narrow.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.matching import IOUS, RECALLS, Matches

_RESAMPLES_AT_A_TIME = 100
"""Resamples that are computed together. Limits the memory: one class may have a hundred thousand detections."""


class Resampled(NamedTuple):
    """Numbers of N resamples; nan for a class without ground truth in a resample."""

    ap: NDArray[np.float64]
    """[N, T, K]"""
    recall: NDArray[np.float64]
    """[N, T, K], of all detections that count."""

    def mean_over_classes(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over the last axis, the classes, without nan: [N, ..., K] to [N, ...]; nan if all are nan."""
        is_known = ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            mean: NDArray[np.float64] = np.where(is_known, values, 0.0).sum(axis=-1) / is_known.sum(axis=-1)
        return mean


def draw_resamples(matches: Matches, count: int, seed: int) -> NDArray[np.int64]:
    """Draw sources with replacement.

    Args:
        matches: Matched detections; only the sources of their images are used.
        count: Number of resamples, N.
        seed: Seed of the random numbers.

    Returns:
        How often each image is in each resample, [N, I].
    """
    sources = matches.source_count
    draws = np.random.default_rng(seed).multinomial(sources, np.full(sources, 1 / sources), size=count)
    return np.asarray(draws[:, matches.sources])


def draw_halves(matches: Matches, count: int, seed: int) -> NDArray[np.int64]:
    """Draw random halves of the sources, without replacement.

    Args:
        matches: Matched detections; only the sources of their images are used.
        count: Number of halves, N.
        seed: Seed of the random numbers.

    Returns:
        1 for the images of each half and 0 for the others, [N, I].
    """
    sources = matches.source_count
    order = np.random.default_rng((seed, 1)).random((count, sources)).argsort(axis=1)
    return np.asarray((order < (sources + 1) // 2).astype(np.int64)[:, matches.sources])


def every_image_once(matches: Matches) -> NDArray[np.int64]:
    """The images as they are, in the form of one resample, [1, I]."""
    return np.ones((1, len(matches.sources)), np.int64)


def score_resamples(matches: Matches, draws: NDArray[np.int64]) -> Resampled:
    """AP and recall of each class in each resample.

    Args:
        matches: Matched detections.
        draws: How often each image counts, [N, I].

    Returns:
        Fractions in [0, 1], or nan.
    """
    shape = (len(draws), len(IOUS), len(matches.classes))
    ap, recall = np.full(shape, np.nan), np.full(shape, np.nan)
    outcomes = [matches.outcomes(iou) for iou in range(len(IOUS))]
    counts, hits = np.array([iou.counts for iou in outcomes]), np.array([iou.hits for iou in outcomes])
    for label in np.flatnonzero(matches.measured):
        of_class = np.flatnonzero(matches.class_indices == label)
        # COCO's order: by score, then by image, then as in the list of detections.
        of_class = of_class[np.lexsort((matches.image_indices[of_class], -matches.scores[of_class]))]
        box_counts = draws @ matches.box_counts[label]
        for start in range(0, len(draws), _RESAMPLES_AT_A_TIME):
            rows = slice(start, start + _RESAMPLES_AT_A_TIME)
            weights = draws[rows][:, matches.image_indices[of_class]]
            ap[rows, :, label], recall[rows, :, label] = _ap_and_recall(
                weights, hits[:, of_class], counts[:, of_class], box_counts[rows]
            )
    return Resampled(ap, recall)


def _ap_and_recall(
    weights: NDArray[np.int64], hits: NDArray[np.bool_], counts: NDArray[np.bool_], box_counts: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """AP and recall [N, T] of ranked detections [T, D] that occur weights[N, D] times; nan where box_counts[N] is 0."""
    # Precision peaks at hits. So plain false positives, most of all detections, need only be counted between them.
    is_special = hits.any(axis=0) | ~counts.all(axis=0)
    plain_false_positives = np.cumsum(weights * ~is_special, axis=1)[:, is_special]
    weights, hits, counts = weights[:, is_special], hits[:, is_special], counts[:, is_special]
    boxes_to_find = np.where(box_counts > 0, box_counts, np.nan)[:, None]
    ap, recall = np.empty((len(weights), len(hits))), np.empty((len(weights), len(hits)))
    for iou, (hit, count) in enumerate(zip(hits, counts, strict=True)):
        true_positives = np.cumsum(weights * hit, axis=1)
        detections = np.cumsum(weights * count, axis=1) + plain_false_positives
        precision = true_positives / np.maximum(detections, 1)
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        recalls = true_positives / boxes_to_find
        # Each recall of the curve stands for those of the 101 that it is the first to reach.
        reached = np.searchsorted(RECALLS, recalls, side="right")
        ap[:, iou] = (envelope * np.diff(reached, axis=1, prepend=0)).sum(axis=1) / len(RECALLS)
        recall[:, iou] = recalls[:, -1] if recalls.shape[1] else 0.0
    is_empty = box_counts == 0
    ap[is_empty], recall[is_empty] = np.nan, np.nan
    return ap, recall
