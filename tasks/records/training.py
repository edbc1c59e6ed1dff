"""Training: the specification of a run, its progress, and its result. Plain data."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from tasks.records.base import Augmentation, Fraction, Part, Record, Sha256, StoredFile, Variant


class TrainingSpec(Record):
    """Everything that determines the result of a training run. Its digest is the run key.

    What the code decides by itself, such as the ranges of the augmentation, has one number, the recipe.
    """

    later_identity = frozenset({"recipe"})

    snapshot_digest: Sha256 = Field(description="Digest of the DatasetSnapshot to train on.")
    classes: tuple[str, ...] = Field(min_length=1, description="Class names in the order of the outputs.")
    variant: Variant = Field(description="YOLO-NAS size.")
    epochs: int = Field(ge=1, description="Maximum number of epochs.")
    image_size: int = Field(ge=64, multiple_of=32, description="Side of the square network input in pixels.")
    batch_size: int = Field(ge=1, description="Images per optimiser step.")
    learning_rate: float = Field(gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(default=1e-5, ge=0, description="Weight decay; not applied to biases and norms.")
    warmup_steps: int = Field(
        default=100, ge=0, description="Number of steps of linear warm-up, at most a tenth of all steps."
    )
    final_learning_rate_ratio: float = Field(
        default=0.1, gt=0, le=1, description="Final learning rate as a fraction of the peak."
    )
    ema_decay: float = Field(default=0.9997, gt=0, lt=1, description="Decay of the EMA weights, warmed up.")
    patience: int = Field(ge=1, description="Number of epochs without a better mAP after which training stops.")
    augmentation: Augmentation = Field(default="standard", description="Augmentation preset.")
    settling_epochs: int = Field(default=0, ge=0, description="Number of last epochs without mosaics and mixup.")
    seed: int = Field(ge=0, description="Seed of all random numbers.")
    weights_sha256: Sha256 | None = Field(default=None, description="SHA-256 of the weights to start from.")
    recipe: int = Field(
        default=0, ge=0, description="Number of what the code decides by itself; 0 from before it had numbers."
    )


class BestEpoch(Part):
    """The best epoch so far, by mAP on the valid split."""

    epoch: int = Field(ge=1, description="Epoch number, from 1.")
    map: Fraction = Field(description="mAP over IoU 0.50:0.95.")
    valid_loss: float = Field(description="Loss on the valid split; decides between epochs of equal mAP.")


class EpochResult(Part):
    """One line of history.jsonl."""

    epoch: int = Field(ge=1, description="Epoch number, from 1.")
    losses: dict[str, float] = Field(description="Mean training loss and its parts: total, class, iou, dfl.")
    valid_losses: dict[str, float] = Field(description="The same on the valid split, with EMA weights.")
    map: Fraction = Field(description="mAP over IoU 0.50:0.95 on the valid split.")
    map50: Fraction = Field(description="mAP at IoU 0.50 on the valid split.")
    precision: Fraction = Field(description="Precision at the confidence threshold with the best F1, IoU 0.50.")
    recall: Fraction = Field(description="Recall at the confidence threshold with the best F1, IoU 0.50.")
    lr: float = Field(description="Learning rate at the end of the epoch.")
    seconds: float = Field(ge=0, description="Wall time of the epoch including validation, seconds.")


class StartWeights(Part):
    """The weights that a run started from."""

    source: str = Field(description="Path, or store://KEY.")
    sha256: Sha256 = Field(description="SHA-256 of the file.")
    licence: str | None = Field(default=None, description="Licence; empty if unknown.")
    loaded: str | None = Field(default=None, description="How many tensors the network loaded from them, in words.")


class TrainingResult(Record):
    """result.json: how a finished training run ended."""

    run_key: Sha256 = Field(description="Digest of the TrainingSpec.")
    epochs_done: int = Field(ge=1, description="Number of epochs trained, over all resumptions.")
    best_epoch: int = Field(ge=1, description="Epoch of the best weights.")
    best_map: Fraction = Field(description="mAP of the best weights on the valid split.")
    ended: Literal["epochs", "patience"] = Field(
        description="Why training ended: all epochs done, or patience exceeded."
    )
    seconds: float = Field(ge=0, description="Wall time of training over all resumptions, seconds.")
    images_per_second: float = Field(ge=0, description="Training images per second of training time.")
    weights_sha256: Sha256 = Field(description="SHA-256 of best.safetensors.")
    resumed_from_epoch: int | None = Field(
        description="Completed epochs in the checkpoint that training resumed from; empty if it did not resume."
    )
    device: str = Field(description="cpu or cuda, with the precision.")
    # Results of older versions do not have the fields below.
    still_rising: bool = Field(default=False, description="Whether mAP was still rising at the end.")
    devices: int = Field(default=1, ge=1, description="Number of devices that shared each batch.")
    micro_batch: int | None = Field(default=None, ge=1, description="Images per device and forward pass.")
    shortages: tuple[str, ...] = Field(default=(), description="Resources that ran short, and what was done.")
    peak_memory_bytes: int | None = Field(
        default=None, ge=0, description="Peak memory of the GPU, or of the RAM on a CPU, bytes."
    )
    start: StartWeights | None = Field(default=None, description="Weights it started from; empty for random weights.")
    spec: TrainingSpec | None = Field(default=None, description="Specification of the run.")
    versions: dict[str, str] = Field(default_factory=dict, description="Versions of the software.")
    machine: str = Field(default="", description="Processor and GPU.")

    @property
    def why_ended(self) -> str:
        """Why training ended, and whether more epochs would have helped, in a phrase."""
        if self.ended == "patience":
            return "stopped since nothing more was gained"
        return "all done, and mAP was still rising: ask for more" if self.still_rising else "all done"


class CheckpointManifest(Record):
    """A checkpoint in the store. It is written last: a checkpoint without a manifest does not exist."""

    run_key: Sha256 = Field(description="Digest of the TrainingSpec.")
    epochs_done: int = Field(ge=0, description="Number of completed epochs.")
    files: dict[str, StoredFile] = Field(description="Stored files by file name.")


class TrainedModel(Record):
    """A finished run: its specification, result and files."""

    run_key: Sha256 = Field(description="Digest of the TrainingSpec.")
    spec: TrainingSpec = Field(description="Specification of the run.")
    result: TrainingResult = Field(description="Result of the run.")
    weights: StoredFile = Field(description="best.safetensors, the best weights.")
    history: StoredFile = Field(description="history.jsonl, the results by epoch.")


class LeaseHolder(Part):
    """Who holds a lease: one attempt of a flow run, in one process."""

    flow_run: str = Field(description="Id of the flow run.")
    attempt: int = Field(ge=0, description="Number of the attempt; a later one takes the lease from an earlier one.")
    process: str = Field(description="Random token of the process.")
    place: str = Field(description="Process and machine, for people.")

    def __str__(self) -> str:
        return f"flow run {self.flow_run}, attempt {self.attempt}, {self.place}"


class RunState(Record):
    """runs/<key>/state.json: the state of a run, its lease, and its model once it is finished."""

    schema_version: int = Field(default=2, description="Version of this record's layout.")
    run_key: Sha256 = Field(description="Digest of the TrainingSpec.")
    status: Literal["running", "released", "finished"] = Field(description="Status of the run.")
    holder: LeaseHolder = Field(description="Who holds or last held the lease.")
    lease: str = Field(description="Random token of the lease, another one each time that it is taken.")
    lease_seconds: float = Field(gt=0, description="Silence of the holder after which others may take the lease.")
    renewals: int = Field(ge=0, description="Counter that makes each renewal another object.")
    renewed_at: datetime = Field(description="When it was renewed by the holder's clock, for people; decides nothing.")
    epochs_done: int = Field(default=0, ge=0, description="Number of completed epochs.")
    model: TrainedModel | None = Field(default=None, description="Model of the finished run.")
