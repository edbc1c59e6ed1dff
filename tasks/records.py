"""The records that pass from step to step: ids, digests and numbers, never pixels or weights.

Plain data, so no Prefect, torch or boto3 here, and no reading or writing of files.
"""

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

Split = Literal["train", "valid", "test"]
Variant = Literal["s", "m", "l"]
Augmentation = Literal["none", "light", "standard", "strong"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
SPLITS: tuple[Split, ...] = ("train", "valid", "test")

PROJECT_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"


class Part(BaseModel):
    """A piece of a record."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Record(Part):
    """A frozen document with an identity: the SHA-256 of its canonical JSON."""

    not_identity: ClassVar[frozenset[str]] = frozenset()
    """Fields that say where something came from, not what it is."""

    schema_version: Literal[1] = Field(default=1, description="Version of this record's layout.")

    @property
    def digest(self) -> str:
        """SHA-256, in hex, of the record's JSON with sorted keys and without ``not_identity``."""
        content = self.model_dump(mode="json", exclude=set(self.not_identity))
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


# Labels ------------------------------------------------------------------------------------------


class Box(NamedTuple):
    """One labelled object: class index, and corners in pixels of its image."""

    class_index: int
    x1: float
    y1: float
    x2: float
    y2: float


class LabelledImage(Part):
    """One picture and its boxes; without boxes it is a background picture."""

    file_name: str = Field(description="Name in the export, without its folder.")
    split: Split = Field(description="Part of the data set this picture belongs to.")
    sha256: Sha256 = Field(description="SHA-256 of the file's bytes.")
    size: int = Field(ge=1, description="Size of the file in bytes.")
    width: int = Field(ge=1, description="Width in pixels, as decoded.")
    height: int = Field(ge=1, description="Height in pixels, as decoded.")
    boxes: tuple[Box, ...] = Field(description="Boxes, xyxy in pixels, inside the picture.")


class Finding(Part):
    """One kind of thing that a check found, with how often and where."""

    code: str = Field(description="Stable name of this kind of finding.")
    severity: Literal["error", "warning", "info"] = Field(description="Errors stop a run.")
    count: int = Field(ge=1, description="How many times it was found.")
    message: str = Field(description="What it is, and what was done or should be done about it.")
    examples: tuple[str, ...] = Field(default=(), description="A few places where it was found.")


class LabelSource(Part):
    """Where labels came from."""

    kind: Literal["file", "roboflow"] = Field(description="An export on disk, or Roboflow itself.")
    name: str = Field(description="File name, or workspace/project.")
    version: int | None = Field(default=None, ge=1, description="Roboflow version number.")


class LabelRules(Part):
    """How labels are read."""

    class_map: dict[str, str] = Field(
        default_factory=dict,
        description="New class names by the old ones: two with one name are merged, an empty name drops the class. "
        "An id that no class list names is #ID.",
    )
    on_bad_image: Literal["fail", "skip"] = Field(
        default="fail", description="What to do with pictures that are missing or cannot be decoded."
    )


class LabelExport(Record):
    """An export as it was fetched: one zip in the store, untouched."""

    not_identity = frozenset({"source"})

    source: LabelSource = Field(description="Where it came from.")
    key: str = Field(description="Store key of the zip.")
    sha256: Sha256 = Field(description="SHA-256 of the zip.")
    size: int = Field(ge=1, description="Size of the zip in bytes.")


class SplitCounts(Part):
    """How much one split holds."""

    images: int = Field(ge=0, description="Pictures.")
    boxes: int = Field(ge=0, description="Labelled boxes.")
    background: int = Field(ge=0, description="Pictures without boxes.")


class DatasetSnapshot(Record):
    """One frozen state of the labels: the manifest of all pictures, classes and boxes."""

    not_identity = frozenset({"source", "findings"})

    classes: tuple[str, ...] = Field(min_length=1, description="Class names; a box's class index points here.")
    images: tuple[LabelledImage, ...] = Field(min_length=1, description="All pictures, by split and file name.")
    source: LabelSource = Field(description="Where the labels came from first.")
    findings: tuple[Finding, ...] = Field(default=(), description="What the check saw, dropped or changed.")

    def of_split(self, split: Split) -> tuple[LabelledImage, ...]:
        """Pictures of one split, in order."""
        return tuple(image for image in self.images if image.split == split)

    def counts(self) -> dict[Split, SplitCounts]:
        """Counts of each split that has pictures."""
        return {split: count_images(images) for split in SPLITS if (images := self.of_split(split))}


def count_images(images: tuple[LabelledImage, ...]) -> SplitCounts:
    """Count pictures, boxes and background pictures."""
    return SplitCounts(
        images=len(images),
        boxes=sum(len(image.boxes) for image in images),
        background=sum(not image.boxes for image in images),
    )


class SnapshotRef(Record):
    """A snapshot as steps pass it on: its digest, and what people ask about it."""

    snapshot_digest: Sha256 = Field(description="Digest of the DatasetSnapshot.")
    classes: tuple[str, ...] = Field(description="Class names in order.")
    splits: dict[Split, SplitCounts] = Field(description="Counts per split.")
    findings: tuple[Finding, ...] = Field(description="What the check saw, dropped or changed.")

    @classmethod
    def of(cls, snapshot: DatasetSnapshot) -> "SnapshotRef":
        """The reference to a snapshot."""
        return cls(
            snapshot_digest=snapshot.digest,
            classes=snapshot.classes,
            splits=snapshot.counts(),
            findings=snapshot.findings,
        )


class PictureChanges(Part):
    """Pictures that changed in one way."""

    count: int = Field(ge=0, description="How many.")
    examples: tuple[str, ...] = Field(default=(), description="A few of them, as split/name.")


class BoxesOfClass(Part):
    """Boxes of one class in two snapshots."""

    before: int = Field(ge=0, description="Boxes in the first.")
    after: int = Field(ge=0, description="Boxes in the second.")


class SnapshotDifference(Record):
    """What changed from one snapshot to another."""

    before_digest: Sha256 = Field(description="Digest of the first DatasetSnapshot.")
    after_digest: Sha256 = Field(description="Digest of the second.")
    classes_added: tuple[str, ...] = Field(description="Classes that only the second has.")
    classes_removed: tuple[str, ...] = Field(description="Classes that only the first has.")
    classes_reordered: bool = Field(description="Whether classes of both stand in another order.")
    images_added: PictureChanges = Field(description="Pictures that only the second has.")
    images_removed: PictureChanges = Field(description="Pictures that only the first has.")
    images_relabelled: PictureChanges = Field(description="Pictures of both with other boxes or classes.")
    images_moved: PictureChanges = Field(description="Pictures of both in another split.")
    images_encoded_again: PictureChanges = Field(description="Pictures of both whose file is another one.")
    boxes: dict[str, BoxesOfClass] = Field(description="Boxes by class name.")

    @property
    def is_empty(self) -> bool:
        """Whether the labels are the same, whatever the order of the classes."""
        changes = (
            self.images_added, self.images_removed, self.images_relabelled, self.images_moved,
            self.images_encoded_again,
        )  # fmt: skip
        return not (self.classes_added or self.classes_removed or any(change.count for change in changes))


# The request -------------------------------------------------------------------------------------


class RetrainRequest(Record):
    """What a person, a schedule or a program asks for: labels in, a judged model out."""

    project: str = Field(
        pattern=PROJECT_PATTERN,
        description="Name of the line of models; with a workspace, also the Roboflow project.",
    )
    workspace: str | None = Field(default=None, description="Roboflow workspace to export the project from.")
    version: int | None = Field(default=None, ge=1, description="Roboflow version number; empty for the latest.")
    export: str | None = Field(
        default=None,
        description="Instead of Roboflow: a labelled export, as a folder or zip that the worker can read, "
        "or store://KEY of a zip in the store.",
    )
    class_map: dict[str, str] = Field(
        default_factory=dict,
        description="New class names by the old ones: two with one name are merged, an empty name drops the class.",
    )
    on_bad_image: Literal["fail", "skip"] = Field(
        default="fail", description="Whether pictures that are missing or cannot be decoded stop the run."
    )
    variant: Variant = Field(default="s", description="YOLO-NAS size: s (19 M weights), m (51 M) or l (67 M).")
    epochs: int = Field(default=100, ge=1, le=10_000, description="Most passes over the training pictures.")
    image_size: int = Field(
        default=640, ge=64, le=2048, multiple_of=32, description="Side of the square network input in pixels."
    )
    batch_size: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        default="auto", description="Pictures per optimiser step; auto goes by the number of training pictures."
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = Field(
        default="auto", description="Peak learning rate of AdamW; auto goes by the weights that training starts from."
    )
    augmentation: Augmentation = Field(
        default="standard",
        description="Random changes of training pictures: none; light, mirrored and other colours; standard, also "
        "moved and scaled; strong, also mosaics and mixtures of pictures, but in the last epochs.",
    )
    patience: int = Field(default=20, ge=1, description="Stop after this many epochs without a better mAP.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="Seed of everything random.")
    weights: str = Field(
        default="none",
        description="Where to start from: none (random), champion (the model in use), a weights file that the "
        "worker can read, or store://KEY.",
    )
    weights_sha256: Sha256 | None = Field(
        default=None, description="SHA-256 of the weights file; needed for a file or a key."
    )
    weights_licence: str | None = Field(
        default=None, min_length=1, max_length=200, description="Licence of those weights, kept with the model."
    )
    min_gain: float = Field(
        default=0.0, ge=0, le=1, description="Smallest rise of mAP over the champion that promotes, a fraction."
    )

    @property
    def rules(self) -> LabelRules:
        """How the labels are read."""
        return LabelRules(class_map=self.class_map, on_bad_image=self.on_bad_image)


# Training ----------------------------------------------------------------------------------------


class TrainingSpec(Record):
    """Everything that decides what a training run computes. Its digest is the run key."""

    snapshot_digest: Sha256 = Field(description="Digest of the DatasetSnapshot to train on.")
    classes: tuple[str, ...] = Field(min_length=1, description="Class names in the order of the outputs.")
    variant: Variant = Field(description="YOLO-NAS size.")
    epochs: int = Field(ge=1, description="Most passes over the training pictures.")
    image_size: int = Field(ge=64, multiple_of=32, description="Side of the square network input in pixels.")
    batch_size: int = Field(ge=1, description="Pictures per optimiser step.")
    learning_rate: float = Field(gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(default=1e-5, ge=0, description="Weight decay, not on biases and norms.")
    warmup_steps: int = Field(default=100, ge=0, description="Steps of linear warm-up, at most a tenth of all.")
    final_learning_rate_ratio: float = Field(default=0.1, gt=0, le=1, description="Last over peak learning rate.")
    ema_decay: float = Field(default=0.9997, gt=0, lt=1, description="Decay of the averaged weights, warmed up.")
    patience: int = Field(ge=1, description="Stop after this many epochs without a better mAP.")
    augmentation: Augmentation = Field(default="standard", description="Preset of random changes of pictures.")
    settling_epochs: int = Field(default=0, ge=0, description="Last epochs without mosaics and mixtures of pictures.")
    seed: int = Field(ge=0, description="Seed of everything random.")
    weights_sha256: Sha256 | None = Field(default=None, description="SHA-256 of the weights to start from.")


class BestEpoch(Part):
    """The best epoch so far, by mAP on the valid split."""

    epoch: int = Field(ge=1, description="Epoch number, from 1.")
    map: Fraction = Field(description="mAP over IoU 0.50:0.95.")
    valid_loss: float = Field(description="Loss on the valid split; the lower one wins at equal mAP.")


class EpochResult(Part):
    """One line of history.jsonl."""

    epoch: int = Field(ge=1, description="Epoch number, from 1.")
    losses: dict[str, float] = Field(description="Mean training loss and its parts: total, class, iou, dfl.")
    valid_losses: dict[str, float] = Field(description="The same on the valid split, with averaged weights.")
    map: Fraction = Field(description="mAP over IoU 0.50:0.95 on the valid split.")
    map50: Fraction = Field(description="mAP at IoU 0.50 on the valid split.")
    precision: Fraction = Field(description="Precision at the score with the best F1, IoU 0.50.")
    recall: Fraction = Field(description="Recall at the score with the best F1, IoU 0.50.")
    lr: float = Field(description="Learning rate at the end of the epoch.")
    seconds: float = Field(ge=0, description="Wall time of the epoch with its validation.")


class StartWeights(Part):
    """The weights that a run began with."""

    source: str = Field(description="Where they came from: a path, or store://KEY.")
    sha256: Sha256 = Field(description="SHA-256 of the file.")
    licence: str | None = Field(default=None, description="Their licence; empty if nobody said.")
    loaded: str | None = Field(default=None, description="What the network took from them, in numbers.")


class TrainingResult(Record):
    """result.json: how a finished training run ended."""

    run_key: Sha256 = Field(description="Digest of the TrainingSpec.")
    epochs_done: int = Field(ge=1, description="Epochs trained, over all resumptions.")
    best_epoch: int = Field(ge=1, description="Epoch of the best weights.")
    best_map: Fraction = Field(description="mAP of the best weights on the valid split.")
    ended: Literal["epochs", "patience"] = Field(description="All epochs done, or no more gain.")
    seconds: float = Field(ge=0, description="Wall time of training, over all resumptions.")
    images_per_second: float = Field(ge=0, description="Training pictures per second of training time.")
    weights_sha256: Sha256 = Field(description="SHA-256 of best.safetensors.")
    resumed_from_epoch: int | None = Field(description="Whole epochs in the checkpoint this process began with.")
    device: str = Field(description="cpu or cuda, with the precision used.")
    # A run of an older version has none of these.
    still_rising: bool = Field(default=False, description="Whether more epochs would probably raise mAP.")
    devices: int = Field(default=1, ge=1, description="Devices that shared each batch.")
    micro_batch: int | None = Field(default=None, ge=1, description="Pictures on a device at a time.")
    shortages: tuple[str, ...] = Field(default=(), description="What there was too little of, and what was done.")
    peak_memory_bytes: int | None = Field(default=None, ge=0, description="Most memory used: the GPU's, or the RAM.")
    start: StartWeights | None = Field(default=None, description="Weights it began with; empty for random ones.")
    spec: TrainingSpec | None = Field(default=None, description="What was trained, with seed and digests.")
    versions: dict[str, str] = Field(default_factory=dict, description="Versions of what computed it.")
    machine: str = Field(default="", description="Processor and GPU.")

    @property
    def why_ended(self) -> str:
        """Why training stopped, and whether more epochs would have helped, in a phrase."""
        if self.ended == "patience":
            return "stopped since nothing more was gained"
        return "all done, and mAP was still rising: ask for more" if self.still_rising else "all done"


class StoredFile(Part):
    """A file in the store."""

    key: str = Field(description="Store key, without bucket and prefix.")
    sha256: Sha256 = Field(description="SHA-256 of its bytes.")
    size: int = Field(ge=0, description="Size in bytes.")


class CheckpointManifest(Record):
    """A checkpoint in the store; it exists when this is there."""

    run_key: Sha256 = Field(description="Digest of the TrainingSpec.")
    epochs_done: int = Field(ge=0, description="Whole epochs it holds.")
    files: dict[str, StoredFile] = Field(description="File name in the run's folder, and where it is.")


class TrainedModel(Record):
    """A finished run: its best weights and how it went."""

    run_key: Sha256 = Field(description="Digest of the TrainingSpec.")
    spec: TrainingSpec = Field(description="What was trained.")
    result: TrainingResult = Field(description="How it ended.")
    weights: StoredFile = Field(description="best.safetensors.")
    history: StoredFile = Field(description="history.jsonl.")


class RunState(Record):
    """runs/<key>/state.json: who works on a run, until when that holds, and the model once there is one."""

    run_key: Sha256 = Field(description="Digest of the TrainingSpec.")
    status: Literal["running", "released", "finished"] = Field(description="What the run is doing.")
    owner: str = Field(description="Flow run that holds, or last held, the lease.")
    lease_until: datetime = Field(description="Until when the owner counts as alive, in UTC.")
    epochs_done: int = Field(default=0, ge=0, description="Whole epochs done.")
    model: TrainedModel | None = Field(default=None, description="The finished run's model.")


# Evaluation and promotion ------------------------------------------------------------------------


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


# What flow runs are given and give back -----------------------------------------------------------


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


def as_line(values: Mapping[str, object]) -> str:
    """One line of JSON."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
