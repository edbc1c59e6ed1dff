"""Which mistakes a model makes: hotcoco's confusion matrix, TIDE errors, calibration and suspected label errors."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from tasks.metrics.matching import IOU_50, IOUS, Matches
from tasks.metrics.thresholds import threshold_curve
from tasks.records import Analysis, Calibration, CalibrationBin, Curves, ErrorShare, SuspectedError

CALIBRATION_BINS = 10
"""Chosen, as the numbers below are."""
MIN_SUSPECTING_SCORE = 0.5
"""Minimum score of a detection that makes a label a suspected error; the confidence threshold if that is higher."""
MAX_SUSPECTED_ERRORS = 100
_KINDS = get_args(ErrorShare.model_fields["kind"].annotation)
_SUSPECTED_KINDS: Mapping[str, Literal["missing label", "wrong class"]] = {
    "missing_annotation": "missing label", "wrong_label": "wrong class",
}  # fmt: skip


def analyse(matches: Matches, detections: Sequence[Mapping[str, Any]], threshold: float) -> Analysis:
    """Everything that a report shows beside the scores.

    Args:
        matches: Matched detections of the split that is measured.
        detections: The detections that were matched, in the same order, for their boxes.
        threshold: Confidence threshold in [0, 1], for the confusion matrix and the suspected label errors.

    Returns:
        Curves, confusion matrix, kinds of error, calibration, and suspected label errors.
    """
    curves = {"": _curves(matches, None)}
    curves |= {matches.classes[label]: _curves(matches, label) for label in matches.measured.nonzero()[0].tolist()}
    return Analysis(
        curves=curves,
        confusion=_confusion(matches, threshold),
        errors=_errors(matches),
        calibration=_calibration(matches),
        suspected_errors=_suspected_errors(matches, detections, threshold),
    )


def _curves(matches: Matches, label: int | None) -> Curves:
    precision = matches.evaluation.eval["precision"][IOU_50, :, :, 0, -1]  # [R, K]
    column = precision[:, matches.measured].mean(axis=1) if label is None else precision[:, label]
    return Curves(
        by_threshold=threshold_curve(matches, label),
        precision_at_recall=tuple(round(min(1.0, float(value)), 4) for value in column),
    )


def _confusion(matches: Matches, threshold: float) -> tuple[tuple[int, ...], ...]:
    confusion = matches.evaluation.confusion_matrix(iou_thr=float(IOUS[IOU_50]), max_det=None, min_score=threshold)
    return tuple(tuple(int(value) for value in row) for row in confusion["matrix"])


def _errors(matches: Matches) -> tuple[ErrorShare, ...]:
    tide = matches.evaluation.tide_errors(pos_thr=float(IOUS[IOU_50]))
    shares = [
        ErrorShare(kind=kind, count=int(tide["counts"].get(kind, 0)), ap50_cost=round(tide["delta_ap"][kind], 6))
        for kind in _KINDS
    ]
    return tuple(sorted(shares, key=lambda share: (-share.ap50_cost, share.kind)))


def _calibration(matches: Matches) -> Calibration:
    calibration = matches.evaluation.calibration(n_bins=CALIBRATION_BINS, iou_threshold=float(IOUS[IOU_50]))
    return Calibration(
        ece=min(1.0, round(calibration["ece"], 6)),
        bins=tuple(
            CalibrationBin(
                low=round(bin_["bin_lower"], 6),
                high=round(bin_["bin_upper"], 6),
                count=bin_["count"],
                score=round(bin_["avg_confidence"], 6) if bin_["count"] else None,
                precision=round(bin_["avg_accuracy"], 6) if bin_["count"] else None,
            )
            for bin_ in calibration["bins"]
        ),
    )


def _suspected_errors(
    matches: Matches, detections: Sequence[Mapping[str, Any]], threshold: float
) -> tuple[SuspectedError, ...]:
    """Labels that contradict a detection of high confidence, the most confident first."""
    min_score = max(MIN_SUSPECTING_SCORE, threshold)
    diagnostics = matches.evaluation.image_diagnostics(iou_thr=float(IOUS[IOU_50]), score_thr=min_score)
    names = dict(zip(matches.image_ids, matches.file_names, strict=True))
    suspected_errors = []
    for error in diagnostics["label_errors"]:
        if (kind := _SUSPECTED_KINDS.get(error["type"])) is None:
            continue
        x, y, width, height = detections[error["dt_id"] - 1]["bbox"]
        suspected_errors.append(
            SuspectedError(
                file_name=names[error["image_id"]],
                kind=kind,
                found=error["dt_category"],
                labelled=error["gt_category"],
                score=min(1.0, round(error["dt_score"], 6)),
                box=(x, y, x + width, y + height),
            )
        )
    suspected_errors.sort(key=lambda error: (-error.score, error.file_name, error.box))
    return tuple(suspected_errors[:MAX_SUSPECTED_ERRORS])
