"""Scores of a model, the decision about it, and where it is published. Plain data."""

from datetime import datetime

from pydantic import Field

from tasks.records.base import PROJECT_PATTERN, Fraction, Part, Record, Sha256, Split, StoredFile, Variant
from tasks.records.labels import SplitCounts


class ClassScore(Part):
    """How well one class is found; ``None`` where there are no truths to find."""

    ap: Fraction | None = Field(description="AP over IoU 0.50:0.95.")
    ap50: Fraction | None = Field(description="AP at IoU 0.50.")
    precision: Fraction | None = Field(description="Precision at the class's threshold, IoU 0.50.")
    recall: Fraction | None = Field(description="Recall at the class's threshold, IoU 0.50.")
    threshold: Fraction | None = Field(description="Score with the best F1 of this class.")
    truths: int = Field(ge=0, description="Labelled boxes.")


class Scores(Part):
    """COCO scores of a set of detections."""

    map: Fraction = Field(description="mAP over IoU 0.50:0.95.")
    map50: Fraction = Field(description="mAP at IoU 0.50.")
    map75: Fraction = Field(description="mAP at IoU 0.75.")
    precision: Fraction = Field(description="Precision over all boxes at the threshold, IoU 0.50.")
    recall: Fraction = Field(description="Recall over all boxes at the threshold, IoU 0.50.")
    threshold: Fraction = Field(description="Score with the best F1 over all boxes.")
    per_class: dict[str, ClassScore] = Field(description="The same by class name.")
    ci95: dict[str, tuple[float, float]] = Field(
        default_factory=dict, description="95 % intervals by bootstrap over pictures."
    )


class EvaluationReport(Record):
    """How one set of weights did on one split of one snapshot."""

    weights_sha256: Sha256 = Field(description="SHA-256 of the weights.")
    run_key: Sha256 = Field(description="Run that trained them.")
    snapshot_digest: Sha256 = Field(description="Snapshot they were measured on.")
    split: Split = Field(description="Split they were measured on.")
    counts: SplitCounts = Field(description="What the split holds.")
    scores: Scores = Field(description="The scores.")
    detections: StoredFile = Field(description="All detections, COCO results format.")
    report: StoredFile = Field(description="The report page.")


class PromotionDecision(Record):
    """Whether a candidate becomes the champion, and why."""

    promote: bool = Field(description="True if the alias should move.")
    reason: str = Field(description="Why, in one sentence with the figures.")
    candidate_map: Fraction = Field(description="mAP of the candidate.")
    champion_map: Fraction | None = Field(description="mAP of the champion on the same pictures; empty for the first.")
    champion_version: int | None = Field(description="Version of the champion that was compared.")


class ModelVersion(Record):
    """models/<project>/<version>/card.json: a published model."""

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
