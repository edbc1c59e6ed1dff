"""What flow runs are given and give back. Plain data."""

from pydantic import Field

from tasks.records.base import Part, Record, Sha256, Split, StoredFile
from tasks.records.evaluation import EvaluationReport, ModelVersion, Speed, ThresholdGoal
from tasks.records.gate import PromotionDecision
from tasks.records.labels import SnapshotRef
from tasks.records.training import TrainedModel, TrainingSpec


class TrainJob(Record):
    """Parameter of the train deployment."""

    spec: TrainingSpec = Field(description="What to train.")
    weights: str = Field(default="none", description="none, a file the worker can read, or store://KEY.")
    weights_licence: str | None = Field(default=None, description="Licence of those weights, where somebody said it.")


class EvaluateJob(Record):
    """Parameter of the evaluate deployment: measure a finished run's best weights on a snapshot."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    run_key: Sha256 = Field(description="Run whose best weights are measured.")
    snapshot_digest: Sha256 = Field(description="Snapshot it is measured on.")
    split: Split = Field(description="Split it is measured on.")
    threshold_for: ThresholdGoal = Field(default="balance", description="What thresholds favour.")


class Detected(Part):
    """What a model found, and how fast it was."""

    measured: StoredFile = Field(description="Detections on the split that is measured, COCO results format.")
    valid: StoredFile | None = Field(description="Detections on the valid split, where that is another one.")
    speed: Speed = Field(description="How fast the model is on that device.")


class RetrainOutcome(Record):
    """What a retrain run came to."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    snapshot: SnapshotRef = Field(description="The labels.")
    model: TrainedModel = Field(description="The training.")
    report: EvaluationReport = Field(description="The scores.")
    decision: PromotionDecision = Field(description="The gate's word.")
    version: ModelVersion = Field(description="The published model.")
    alias: str | None = Field(description="champion if it was promoted.")
