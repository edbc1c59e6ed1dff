"""Which mistakes a model makes: hotcoco's confusion matrix, TIDE errors, calibration and suspected label errors."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

from tasks.metrics.matching import IOU_50, IOUS, Matches
from tasks.metrics.thresholds import threshold_curve
from tasks.records import Analysis, Calibration, CalibrationBin, Curves, ErrorShare, SuspectedError

BINS = 10
SURE = 0.5
"""Score from which a detection that fits no label makes the label suspicious; at least the threshold."""
MAX_SUSPECTED_ERRORS = 100
_KINDS = get_args(ErrorShare.model_fields["kind"].annotation)
_SUSPECTED_ERRORS: Mapping[str, Literal["missing label", "wrong class"]] = {
    "missing_annotation": "missing label", "wrong_label": "wrong class",
}  # fmt: skip


def analyse(matches: Matches, detections: Sequence[Mapping[str, Any]], threshold: float) -> Analysis:
    """Everything beside the scores.

    Args:
        matches: Of the split that is measured.
        detections: The same that were matched, for their boxes.
        threshold: Score that detections are cut at, for the confusion matrix and suspected labels.
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
    found = matches.evaluation.confusion_matrix(iou_thr=float(IOUS[IOU_50]), max_det=None, min_score=threshold)
    return tuple(tuple(int(value) for value in row) for row in found["matrix"])


def _errors(matches: Matches) -> tuple[ErrorShare, ...]:
    found = matches.evaluation.tide_errors(pos_thr=float(IOUS[IOU_50]))
    shares = [
        ErrorShare(kind=kind, count=int(found["counts"].get(kind, 0)), ap50_cost=round(found["delta_ap"][kind], 6))
        for kind in _KINDS
    ]
    return tuple(sorted(shares, key=lambda share: (-share.ap50_cost, share.kind)))


def _calibration(matches: Matches) -> Calibration:
    found = matches.evaluation.calibration(n_bins=BINS, iou_threshold=float(IOUS[IOU_50]))
    return Calibration(
        ece=min(1.0, round(found["ece"], 6)),
        bins=tuple(
            CalibrationBin(
                low=round(one["bin_lower"], 6),
                high=round(one["bin_upper"], 6),
                count=one["count"],
                score=round(one["avg_confidence"], 6) if one["count"] else None,
                precision=round(one["avg_accuracy"], 6) if one["count"] else None,
            )
            for one in found["bins"]
        ),
    )


def _suspected_errors(
    matches: Matches, detections: Sequence[Mapping[str, Any]], threshold: float
) -> tuple[SuspectedError, ...]:
    """Where the model is sure and the label says otherwise, the surest first."""
    sure = max(SURE, threshold)
    found = matches.evaluation.image_diagnostics(iou_thr=float(IOUS[IOU_50]), score_thr=sure)["label_errors"]
    names = dict(zip(matches.image_ids, matches.file_names, strict=True))
    suspected_errors = []
    for one in found:
        if (kind := _SUSPECTED_ERRORS.get(one["type"])) is None:
            continue
        x, y, width, height = detections[one["dt_id"] - 1]["bbox"]
        suspected_errors.append(
            SuspectedError(
                file_name=names[one["image_id"]],
                kind=kind,
                found=one["dt_category"],
                labelled=one["gt_category"],
                score=min(1.0, round(one["dt_score"], 6)),
                box=(x, y, x + width, y + height),
            )
        )
    suspected_errors.sort(key=lambda one: (-one.score, one.file_name, one.box))
    return tuple(suspected_errors[:MAX_SUSPECTED_ERRORS])
