"""Scores of a model, and published versions with their aliases. Plain data."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from tasks.records.base import PROJECT_PATTERN, Fraction, Part, Record, Sha256, Split, StoredFile, Variant
from tasks.records.formats import ModelFormat
from tasks.records.gate import PromotionDecision
from tasks.records.labels import SplitCounts
from tasks.records.training import TrainedModel

ThresholdGoal = Literal["balance", "precision", "recall"]
Interval = tuple[float, float]


class OperatingPoint(Part):
    """The confidence thresholds, and how they were chosen."""

    threshold_for: ThresholdGoal = Field(
        description="What the thresholds are chosen for: balance (F1), precision (F0.5) or recall (F2)."
    )
    threshold: Fraction = Field(description="Confidence threshold of all classes together.")
    per_class: dict[str, Fraction] = Field(description="Confidence threshold by class, of classes with detections.")
    chosen_on: Split | None = Field(
        default=None, description="Split they were chosen on; empty for the measured split."
    )


class ClassScore(Part):
    """Scores of one class; empty for a class without ground truth."""

    ap: Fraction | None = Field(default=None, description="AP over IoU 0.50:0.95.")
    ap50: Fraction | None = Field(default=None, description="AP at IoU 0.50.")
    precision: Fraction | None = Field(
        default=None, description="Precision at the class's confidence threshold, IoU 0.50."
    )
    recall: Fraction | None = Field(default=None, description="Recall at the class's confidence threshold, IoU 0.50.")
    threshold: Fraction | None = Field(default=None, description="Confidence threshold of this class.")
    truths: int = Field(ge=0, description="Number of labelled boxes.")
    missing: str | None = Field(default=None, description="Why there are no scores, if there are none.")
    ci95: dict[str, Interval] = Field(
        default_factory=dict, description="95 % intervals of ap, ap50, precision, recall."
    )


class Scores(Part):
    """COCO scores of a set of detections."""

    map: Fraction = Field(description="mAP over IoU 0.50:0.95.")
    map50: Fraction = Field(description="mAP at IoU 0.50.")
    map75: Fraction = Field(description="mAP at IoU 0.75.")
    map_small: Fraction | None = Field(description="mAP of boxes under 32 x 32 pixels; empty without any.")
    map_medium: Fraction | None = Field(description="mAP of boxes from 32 x 32 to 96 x 96 pixels.")
    map_large: Fraction | None = Field(description="mAP of boxes over 96 x 96 pixels.")
    ar: Fraction = Field(description="Average recall of all detections, over IoU 0.50:0.95 and classes.")
    precision: Fraction = Field(description="Precision over all boxes at the confidence threshold, IoU 0.50.")
    recall: Fraction = Field(description="Recall over all boxes at the confidence threshold, IoU 0.50.")
    f1: Fraction = Field(description="F1 over all boxes at the confidence threshold, IoU 0.50.")
    threshold: Fraction = Field(description="Confidence threshold of all classes together.")
    threshold_for: ThresholdGoal = Field(default="balance", description="What the thresholds are chosen for.")
    threshold_from: Split | None = Field(
        default=None, description="Split the thresholds were chosen on; empty for the measured split."
    )
    classes_measured: int = Field(ge=1, description="Number of classes with ground truth; means are over these.")
    detections_limit: int = Field(ge=1, description="Maximum number of detections per image and class.")
    min_score: Fraction | None = Field(description="Lowest score of a detection; empty without detections.")
    per_class: dict[str, ClassScore] = Field(description="Scores by class name.")
    ci95: dict[str, Interval] = Field(
        default_factory=dict, description="95 % intervals by bootstrap over source images."
    )


class Speed(Part):
    """Speed of a model on one device."""

    device: str = Field(description="Device and precision, such as cpu bf16.")
    latency_ms: float = Field(ge=0, description="Median time of one image, network and postprocessing, milliseconds.")
    latency_p95_ms: float = Field(ge=0, description="95th percentile of the time of one image, milliseconds.")
    throughput: float = Field(ge=0, description="Images per second in batches.")
    batch: int = Field(ge=1, description="Images per batch.")
    parameters: int = Field(ge=0, description="Number of parameters.")
    file_bytes: int = Field(ge=0, description="Size of the weights file in bytes.")


class EvaluationReport(Record):
    """Scores of one set of weights on one split of one snapshot."""

    later_identity = frozenset({"scoring"})

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    weights_sha256: Sha256 = Field(description="SHA-256 of the weights.")
    run_key: Sha256 = Field(description="Key of the training run.")
    snapshot_digest: Sha256 = Field(description="Digest of the snapshot they were measured on.")
    split: Split = Field(description="Split they were measured on.")
    counts: SplitCounts = Field(description="Images and boxes of the split.")
    scores: Scores = Field(description="Scores on the split.")
    detections: StoredFile = Field(description="All detections, in COCO results format.")
    evaluation: StoredFile = Field(description="report.json, the whole Evaluation.")
    speed: Speed | None = Field(default=None, description="Speed of the model; empty if not measured.")
    scoring: int = Field(
        default=0, ge=0, description="Number of how scores are computed; 0 from before it had numbers."
    )


class ModelVersion(Record):
    """models/<project>/<version>/card.json: a published model."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    project: str = Field(pattern=PROJECT_PATTERN, description="Project of the model.")
    version: int = Field(ge=1, description="Version number in the project.")
    run_key: Sha256 = Field(description="Key of the training run.")
    snapshot_digest: Sha256 = Field(description="Digest of the snapshot it was trained and measured on.")
    classes: tuple[str, ...] = Field(description="Class names in the order of the outputs.")
    variant: Variant = Field(description="YOLO-NAS size.")
    image_size: int = Field(ge=64, description="Side of the square network input in pixels.")
    weights: StoredFile = Field(description="weights.safetensors.")
    report: StoredFile = Field(description="Report page.")
    split: Split = Field(description="Split it was measured on.")
    scores: Scores = Field(description="Scores of the model.")
    decision: PromotionDecision = Field(
        description="Latest decision of the gate; of a champion, the one that promoted it."
    )
    created_at: datetime = Field(description="Time of publication, in UTC.")
    # Cards of older versions do not have the fields below.
    formats: tuple[ModelFormat, ...] = Field(default=(), description="Other files of the model, each measured.")
    formats_refused: dict[str, str] = Field(
        default_factory=dict, description="Why a format is not published, by its name."
    )
    scoring: int = Field(
        default=0, ge=0, description="Number of how scores are computed; 0 from before it had numbers."
    )

    def is_of(self, model: TrainedModel) -> bool:
        """Whether it is a run's model. A run whose files were lost may have other weights when it is trained again."""
        return (self.run_key, self.weights.sha256) == (model.run_key, model.weights.sha256)

    @property
    def files(self) -> dict[str, StoredFile]:
        """All files of the model, by format."""
        return {"safetensors": self.weights, **{one.name: one.file for one in self.formats}}


class VersionLabels(Record):
    """models/<project>/<version>/labels.json: counted once in the snapshot, which is large and may go."""

    training_images: int = Field(ge=0, description="Number of images of the train split.")
    measured_images: int = Field(ge=0, description="Number of images of the split that it was measured on.")
    measured_digest: Sha256 = Field(
        description="Digest of these images and their boxes. Scores of versions with the same one can be compared."
    )


class AliasMove(Part):
    """One entry of an alias's history."""

    version: int = Field(ge=1, description="Version the alias was moved to.")
    at: datetime = Field(description="Time of the move, in UTC.")
    reason: str = Field(description="Reason of the move.")
    # Older entries do not have the fields below.
    by: str | None = Field(default=None, description="Who asked for it; empty if the gate decided.")
    rolled_back: int | None = Field(
        default=None, ge=1, description="Version that this move rolled back; empty for a promotion."
    )


class ModelAlias(Record):
    """models/<project>/aliases/<name>.json: a name that points to a version."""

    project: str = Field(pattern=PROJECT_PATTERN, description="Project of the model.")
    name: str = Field(pattern=PROJECT_PATTERN, description="Name of the alias, such as champion.")
    version: int = Field(ge=1, description="Version it points to.")
    history: tuple[AliasMove, ...] = Field(description="All moves, oldest first.")
