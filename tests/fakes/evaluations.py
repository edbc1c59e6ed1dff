"""Evaluations, comparisons and histories for the report page, made of simple formulas: no network, no detections."""

from typing import Literal

from tasks.records import (
    Analysis,
    Calibration,
    CalibrationBin,
    ClassScore,
    Comparison,
    Curves,
    EpochResult,
    ErrorShare,
    Evaluation,
    Gain,
    GateCheck,
    OperatingPoint,
    PromotionDecision,
    Scores,
    Speed,
    SplitCounts,
    SuspectedError,
    ThresholdCurve,
    TrainingResult,
    TrainingSpec,
)

THRESHOLD = 0.412


def class_names(count):
    return tuple(["cat", "dog", "hedgehog with a rather long name", *(f"class {n}" for n in range(count))][:count])


def evaluation(classes=("cat", "dog"), *, sources=40, half=0.06, absent=(), **changes):
    """Numbers like those of a first model; the interval of mAP is ±half."""
    values = {
        "measured_on": "the test split",
        "classes": classes,
        "counts": SplitCounts(images=sources, boxes=12 * len(classes), background=3),
        "sources": sources,
        "scores": scores(classes, half, absent),
        "point": point(classes, absent),
        "analysis": analysis(classes, absent),
    }
    return Evaluation(**{**values, **changes})


def point(classes, absent=()):
    per_class = {name: 0.3 + 0.5 * at / len(classes) for at, name in enumerate(classes) if name not in absent}
    return OperatingPoint(threshold_for="balance", threshold=THRESHOLD, per_class=per_class, chosen_on="valid")


def around(value, half):
    return max(0.0, value - half), min(1.0, value + half)


def scores(classes, half=0.06, absent=(), **changes):
    values = {"map": 0.412, "map50": 0.633, "map75": 0.455, "ar": 0.52, "precision": 0.71, "recall": 0.64, "f1": 0.673}
    numbers = {
        **values,
        "map_small": None,
        "map_medium": 0.38,
        "map_large": 0.51,
        "threshold": THRESHOLD,
        "threshold_from": "valid",
        "classes_measured": len(classes) - len(absent),
        "detections_limit": 100,
        "min_score": 0.01,
        "per_class": {name: class_score(at, name in absent) for at, name in enumerate(classes)},
        "ci95": {name: around(value, half) for name, value in values.items()},
    }
    return Scores(**{**numbers, **changes})


def class_score(at, is_absent=False):
    if is_absent:
        return ClassScore(truths=0, missing="no labelled box of this class here")
    ap = round(0.2 + 0.6 * (at * 7 % 10) / 10, 3)
    numbers = {"ap": ap, "ap50": min(1, ap + 0.2), "precision": min(1, ap + 0.25), "recall": min(1, ap + 0.15)}
    half = 0.05 + 0.2 * (at * 3 % 5) / 5
    box_count = 4 + at * 11 % 40
    return ClassScore(
        **numbers, threshold=0.4, truths=box_count, ci95={name: around(value, half) for name, value in numbers.items()}
    )


def threshold_curve(slope):
    grid = [n / 100 for n in range(101)]
    precision = [round(min(1, 0.2 + 0.8 * t**slope), 4) for t in grid]
    recall = [round(max(0, 0.95 - t ** (2 / slope)), 4) for t in grid]
    f1 = [round(2 * p * r / (p + r), 4) for p, r in zip(precision, recall, strict=True)]
    return ThresholdCurve(precision=tuple(precision), recall=tuple(recall), f1=tuple(f1))


def curves(slope=0.5):
    return Curves(
        by_threshold=threshold_curve(slope),
        precision_at_recall=tuple(round(max(0, 1 - (n / 100) ** (2 / slope)), 4) for n in range(101)),
    )


def analysis(classes, absent=(), **changes):
    count = len(classes)
    # Each class is mostly found, sometimes taken for the next one, sometimes missed; with a few false positives.
    matrix = [[0] * (count + 1) for _ in range(count + 1)]
    for at, name in enumerate(classes):
        if name not in absent:
            matrix[at][at] = 6 + at % 7
            matrix[at][(at + 1) % count] += at % 3
            matrix[at][count] = 1 + at % 4
        matrix[count][at] = at % 2 + 1
    values = {
        "curves": {"": curves(), **{n: curves(0.4 + i % 5 / 5) for i, n in enumerate(classes) if n not in absent}},
        "confusion": matrix,
        "errors": [
            ErrorShare(kind="Miss", count=14, ap50_cost=0.121),
            ErrorShare(kind="Loc", count=22, ap50_cost=0.082),
            ErrorShare(kind="Cls", count=6, ap50_cost=0.03),
            ErrorShare(kind="Bkg", count=310, ap50_cost=0.021),
            ErrorShare(kind="Dupe", count=40, ap50_cost=0.004),
            ErrorShare(kind="Both", count=2, ap50_cost=0.0),
        ],
        "calibration": calibration(),
        "suspected_errors": [
            suspected_error("1.jpg", classes[-1], None, 0.93, (60, 60, 180, 140)),
            suspected_error("2.jpg", classes[0], classes[-1], 0.87, (20, 30, 120, 150)),
        ],
    }
    return Analysis(**{**values, **changes})


def suspected_error(file_name, found, labelled, score, box):
    kind: Literal["missing label", "wrong class"] = "missing label" if labelled is None else "wrong class"
    return SuspectedError(file_name=file_name, kind=kind, found=found, labelled=labelled, score=score, box=box)


def calibration(gap=0.1):
    """Scores that are higher than the precision; nothing in the lowest tenth."""
    bins = [CalibrationBin(low=0, high=0.1, count=0, score=None, precision=None)]
    for n in range(1, 10):
        middle = n / 10 + 0.05
        bins.append(
            CalibrationBin(
                low=n / 10, high=(n + 1) / 10, count=100 - 9 * n, score=middle, precision=max(0, middle - gap)
            )
        )
    return Calibration(ece=abs(gap), bins=tuple(bins))


def gain(before, after, half):
    difference = round(after - before, 6)
    return Gain(before=before, after=after, gain=difference, ci95=(difference - half, difference + half))


def comparison(classes=("cat", "dog"), **changes):
    per_class = {
        name: gain(0.4, round(0.4 + (at % 5 - 1) * 0.06, 3), 0.05 + at % 3 / 40) for at, name in enumerate(classes)
    }
    values = {
        "champion_version": 3,
        "sources": 40,
        "confidence_level": 0.95,
        "bounds": (0.011, 0.071),
        "map": gain(0.371, 0.412, 0.03),
        "map50": gain(0.6, 0.633, 0.05),
        "per_class": per_class,
    }
    return Comparison(**{**values, **changes})


def decision(**changes):
    values = {
        "promote": True,
        "verdict": "promote",
        "reason": "mAP 0.412 against 0.371 of version 3 on the same 40 images: a gain of 0.041, 0.011 to 0.071.",
        "checks": (
            GateCheck(name="gain in mAP", passed=True, text="0.041, with 95 % confidence 0.011 to 0.071: above 0."),
            GateCheck(name="AP of cat", passed=False, text="0.200 where at least 0.300 is asked."),
            GateCheck(name="latency", passed=None, text="not measured on this device."),
        ),
        "candidate_map": 0.412,
        "champion_map": 0.371,
        "champion_version": 3,
    }
    return PromotionDecision(**{**values, **changes})


def epoch(number, mean=0.3, loss=1.0, valid_loss=1.0):
    return EpochResult(
        epoch=number, losses={"total": loss}, valid_losses={"total": valid_loss}, map=mean, map50=min(1, 1.5 * mean),
        precision=min(1, 0.2 + mean), recall=min(1, 0.1 + mean), lr=1e-4, seconds=2.5,
    )  # fmt: skip


def history(maps=(), losses=(), valid_losses=()):
    """Epochs from 1 on with these numbers."""
    losses, valid_losses = losses or [1.0] * len(maps), valid_losses or [1.0] * len(maps)
    return [epoch(number, *one) for number, one in enumerate(zip(maps, losses, valid_losses, strict=True), start=1)]


def long_history(epochs=50):
    """Rises until epoch 30, then overfits."""
    maps = [round(0.412 * min(1, n / 30) ** 0.5, 4) - (0.001 if n > 30 else 0) for n in range(1, epochs + 1)]
    valid = [2.8 / n**0.3 if n <= 30 else 2.8 / 30**0.3 + 0.02 * (n - 30) for n in range(1, epochs + 1)]
    return history(maps, [2.5 / n**0.4 for n in range(1, epochs + 1)], valid)


def spec(classes=("cat", "dog")):
    return TrainingSpec(
        snapshot_digest="1" * 64, classes=classes, variant="m", epochs=50, image_size=320,
        batch_size=2, learning_rate=1e-3, patience=20, seed=17,
    )  # fmt: skip


def result(**changes):
    values = {
        "run_key": "2" * 64, "epochs_done": 50, "best_epoch": 30, "best_map": 0.412, "ended": "epochs", "seconds": 1,
        "images_per_second": 12.34, "weights_sha256": "3" * 64, "resumed_from_epoch": None, "device": "cuda, bfloat16",
    }  # fmt: skip
    return TrainingResult(**{**values, **changes})


def speed():
    return Speed(
        device="cuda bf16", latency_ms=12.34, latency_p95_ms=15.5, throughput=210.0, batch=16,
        parameters=19_000_000, file_bytes=76_000_000,
    )  # fmt: skip
