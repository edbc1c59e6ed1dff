"""Parameters and results of flow runs. Plain data."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, WithJsonSchema

from tasks.records.base import PROJECT_PATTERN, Record, Sha256, Split, StoredFile
from tasks.records.evaluation import EvaluationReport, ModelVersion, Speed, ThresholdGoal
from tasks.records.gate import PromotionDecision
from tasks.records.labels import SnapshotRef
from tasks.records.training import TrainedModel, TrainingSpec


def _without_prefix(value: object) -> object:
    return value.removeprefix("prefect.flow-run.") if isinstance(value, str) else value


class EvaluateJob(Record):
    """Parameter of the evaluate deployment: measure a finished run's best weights on a snapshot."""

    later_identity = frozenset({"scoring"})

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    run_key: Sha256 = Field(description="Key of the run whose best weights are measured.")
    snapshot_digest: Sha256 = Field(description="Digest of the snapshot to measure on.")
    split: Split = Field(description="Split to measure on.")
    threshold_for: ThresholdGoal = Field(default="balance", description="What the thresholds are chosen for.")
    export: bool = Field(default=False, description="Whether the model is exported in all formats, too.")
    scoring: int = Field(
        default=0, ge=0, description="Number of how scores are computed; 0 from before it had numbers."
    )


class TrainJob(Record):
    """Parameter of the train deployment."""

    spec: TrainingSpec = Field(description="Specification of the run.")
    weights: str = Field(
        default="none", description="Weights to start from: none, a file the worker can read, or store://KEY."
    )
    weights_licence: str | None = Field(default=None, description="Licence of those weights; empty if unknown.")
    evaluation: EvaluateJob | None = Field(
        default=None, description="Evaluation of the trained model, on the same worker; empty to train alone."
    )
    baseline: EvaluateJob | None = Field(
        default=None, description="Evaluation of the model that it will be compared with; empty if there is none."
    )


class CompareRequest(Record):
    """Parameter of the compare deployment: which of two versions of a project is better."""

    project: str = Field(pattern=PROJECT_PATTERN, description="Project of both.")
    baseline: int = Field(ge=1, description="Version to compare with.")
    version: int = Field(ge=1, description="Version that may be better. Both are measured on its labels.")


class SuperviseJob(Record):
    """Parameter of the supervise deployment, which automations give it."""

    flow_run: Annotated[UUID, BeforeValidator(_without_prefix), WithJsonSchema({"type": "string"})] = Field(
        description="Flow run to look after: its id, or the name that events have for it."
    )


class DetectionResult(Record):
    """Detections of a model, and its speed."""

    measured: StoredFile = Field(description="Detections on the measured split, in COCO results format.")
    valid: StoredFile | None = Field(description="Detections on the valid split; empty if that is the measured one.")
    speed: Speed = Field(description="Speed of the model.")


Stage = Literal["training", "evaluation"]


class RunOutcome(Record):
    """outcomes/<project>/<flow run>.json: what a retrain run came to, as it was when the run ended."""

    project: str = Field(pattern=PROJECT_PATTERN, description="Project of the run.")
    flow_run: str = Field(description="Id of the flow run.")
    skipped: str | None = Field(default=None, description="Why it was skipped; empty if it was not.")
    version: int | None = Field(default=None, ge=1, description="Published version; empty if it was skipped.")
    alias: str | None = Field(default=None, description="champion if it was promoted; else empty.")
    decision: PromotionDecision | None = Field(
        default=None, description="Decision about the version; empty if it was skipped."
    )
    reused: tuple[Stage, ...] = Field(
        default=(), description="What was taken from an earlier run with the same labels and settings."
    )


class RetrainOutcome(Record):
    """The outcome of a retrain run."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    snapshot: SnapshotRef = Field(description="Snapshot of the labels.")
    model: TrainedModel = Field(description="Trained model.")
    report: EvaluationReport = Field(description="Scores of the model.")
    decision: PromotionDecision = Field(description="Decision that stands, as on the card of the version.")
    version: ModelVersion = Field(description="Published version.")
    alias: str | None = Field(description="champion if it was promoted; else empty.")
