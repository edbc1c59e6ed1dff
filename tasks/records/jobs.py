"""What flow runs are given and give back. Plain data."""

from pydantic import Field

from tasks.records.base import Record, Sha256, Split
from tasks.records.evaluation import EvaluationReport, ModelVersion, PromotionDecision
from tasks.records.labels import SnapshotRef
from tasks.records.training import TrainedModel, TrainingSpec


class TrainJob(Record):
    """Parameter of the train deployment."""

    spec: TrainingSpec = Field(description="What to train.")
    weights: str = Field(default="none", description="none, a file the worker can read, or store://KEY.")
    weights_licence: str | None = Field(default=None, description="Licence of those weights, where somebody said it.")


class EvaluateJob(Record):
    """Parameter of the evaluate deployment: measure a finished run's best weights on a snapshot."""

    run_key: Sha256 = Field(description="Run whose best weights are measured.")
    snapshot_digest: Sha256 = Field(description="Snapshot it is measured on.")
    split: Split = Field(description="Split it is measured on.")


class RetrainOutcome(Record):
    """What a retrain run came to."""

    snapshot: SnapshotRef = Field(description="The labels.")
    model: TrainedModel = Field(description="The training.")
    report: EvaluationReport = Field(description="The scores.")
    decision: PromotionDecision = Field(description="The gate's word.")
    version: ModelVersion = Field(description="The published model.")
    alias: str | None = Field(description="champion if it was promoted.")
