"""Scores of a model, the decision about it, and where it is published. Plain data."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from tasks.records.base import PROJECT_PATTERN, Fraction, Part, Record, Sha256, Split, StoredFile, Variant
from tasks.records.gate import PromotionDecision
from tasks.records.labels import SplitCounts

ThresholdGoal = Literal["balance", "precision", "recall"]
Interval = tuple[float, float]


class OperatingPoint(Part):
    """The thresholds that detections are cut at, and how they were chosen."""

    threshold_for: ThresholdGoal = Field(description="What counts more: F1 is balance, F0.5 precision, F2 recall.")
    threshold: Fraction = Field(description="For all classes together.")
    per_class: dict[str, Fraction] = Field(description="For each class that was found where it was chosen.")
    chosen_on: Split | None = Field(default=None, description="Split it was chosen on; empty for the measured one.")


class ClassScore(Part):
    """How well one class is found; empty where there are no truths to find."""

    ap: Fraction | None = Field(default=None, description="AP over IoU 0.50:0.95.")
    ap50: Fraction | None = Field(default=None, description="AP at IoU 0.50.")
    precision: Fraction | None = Field(default=None, description="Precision at the class's threshold, IoU 0.50.")
    recall: Fraction | None = Field(default=None, description="Recall at the class's threshold, IoU 0.50.")
    threshold: Fraction | None = Field(default=None, description="Score that detections of this class are cut at.")
    truths: int = Field(ge=0, description="Labelled boxes.")
    missing: str | None = Field(default=None, description="Why there are no numbers, if there are none.")
    ci95: dict[str, Interval] = Field(
        default_factory=dict, description="95 % intervals of ap, ap50, precision, recall."
    )


class Scores(Part):
    """COCO scores of a set of detections."""

    map: Fraction = Field(description="mAP over IoU 0.50:0.95.")
    map50: Fraction = Field(description="mAP at IoU 0.50.")
    map75: Fraction = Field(description="mAP at IoU 0.75.")
    map_small: Fraction | None = Field(description="mAP of truths under 32 x 32 pixels; empty without any.")
    map_medium: Fraction | None = Field(description="mAP of truths from 32 x 32 to 96 x 96 pixels.")
    map_large: Fraction | None = Field(description="mAP of larger truths.")
    ar: Fraction = Field(description="Recall of all detections that count, mean over IoU 0.50:0.95 and classes.")
    precision: Fraction = Field(description="Precision over all boxes at the threshold, IoU 0.50.")
    recall: Fraction = Field(description="Recall over all boxes at the threshold, IoU 0.50.")
    f1: Fraction = Field(description="F1 over all boxes at the threshold, IoU 0.50.")
    threshold: Fraction = Field(description="Score that detections of all classes are cut at.")
    threshold_for: ThresholdGoal = Field(default="balance", description="What the thresholds favour.")
    threshold_from: Split | None = Field(
        default=None, description="Split that thresholds were chosen on; empty for the measured one itself."
    )
    classes_measured: int = Field(ge=1, description="Classes with truths, which the means are over.")
    detections_limit: int = Field(ge=1, description="Detections that count per image and class, the best first.")
    min_score: Fraction | None = Field(description="Lowest score of a detection; empty without any.")
    per_class: dict[str, ClassScore] = Field(description="The same by class name.")
    ci95: dict[str, Interval] = Field(
        default_factory=dict, description="95 % intervals by bootstrap over source images."
    )


class Speed(Part):
    """How fast a model is on the device that it was measured on."""

    device: str = Field(description="Device and precision, such as cpu bf16.")
    latency_ms: float = Field(ge=0, description="Median time of one image, network and selection of boxes.")
    latency_p95_ms: float = Field(ge=0, description="95th percentile of that.")
    throughput: float = Field(ge=0, description="Images a second in batches.")
    batch: int = Field(ge=1, description="Images of such a batch.")
    parameters: int = Field(ge=0, description="Numbers that were learned.")
    file_bytes: int = Field(ge=0, description="Size of the weights file.")


class EvaluationReport(Record):
    """How one set of weights did on one split of one snapshot."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    weights_sha256: Sha256 = Field(description="SHA-256 of the weights.")
    run_key: Sha256 = Field(description="Run that trained them.")
    snapshot_digest: Sha256 = Field(description="Snapshot they were measured on.")
    split: Split = Field(description="Split they were measured on.")
    counts: SplitCounts = Field(description="What the split holds.")
    scores: Scores = Field(description="The scores.")
    detections: StoredFile = Field(description="All detections, COCO results format.")
    evaluation: StoredFile = Field(description="report.json: the Evaluation, whole.")
    speed: Speed | None = Field(default=None, description="How fast the model is on the device that measured it.")


class ModelVersion(Record):
    """models/<project>/<version>/card.json: a published model."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    project: str = Field(pattern=PROJECT_PATTERN, description="Line of models.")
    version: int = Field(ge=1, description="Version in that line.")
    run_key: Sha256 = Field(description="Run that trained it.")
    snapshot_digest: Sha256 = Field(description="Snapshot it was trained and measured on.")
    classes: tuple[str, ...] = Field(description="Class names in the order of the outputs.")
    variant: Variant = Field(description="YOLO-NAS size.")
    image_size: int = Field(ge=64, description="Side of the square network input in pixels.")
    weights: StoredFile = Field(description="weights.safetensors.")
    report: StoredFile = Field(description="The report page.")
    split: Split = Field(description="Split it was measured on.")
    scores: Scores = Field(description="Its scores.")
    decision: PromotionDecision = Field(description="The gate's word when it was published.")
    created_at: datetime = Field(description="When it was published, in UTC.")


class AliasMove(Part):
    """One entry of an alias's history."""

    version: int = Field(ge=1, description="Version the alias was moved to.")
    at: datetime = Field(description="When, in UTC.")
    reason: str = Field(description="Why.")


class ModelAlias(Record):
    """models/<project>/aliases/<name>.json: a name that points to a version."""

    project: str = Field(pattern=PROJECT_PATTERN, description="Line of models.")
    name: str = Field(pattern=PROJECT_PATTERN, description="Name of the alias, such as champion.")
    version: int = Field(ge=1, description="Version it points to.")
    history: tuple[AliasMove, ...] = Field(description="All moves, oldest first.")
