"""Training: what decides a run, how it went, and what it gave. Plain data."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from tasks.records.base import Augmentation, Fraction, Part, Record, Sha256, StoredFile, Variant


class TrainingSpec(Record):
    """Everything that decides what a training run computes. Its digest is the run key."""

    snapshot_digest: Sha256 = Field(description="Digest of the DatasetSnapshot to train on.")
    classes: tuple[str, ...] = Field(min_length=1, description="Class names in the order of the outputs.")
    variant: Variant = Field(description="YOLO-NAS size.")
    epochs: int = Field(ge=1, description="Most passes over the training images.")
    image_size: int = Field(ge=64, multiple_of=32, description="Side of the square network input in pixels.")
    batch_size: int = Field(ge=1, description="Images per optimiser step.")
    learning_rate: float = Field(gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(default=1e-5, ge=0, description="Weight decay, not on biases and norms.")
    warmup_steps: int = Field(default=100, ge=0, description="Steps of linear warm-up, at most a tenth of all.")
    final_learning_rate_ratio: float = Field(default=0.1, gt=0, le=1, description="Last over peak learning rate.")
    ema_decay: float = Field(default=0.9997, gt=0, lt=1, description="Decay of the averaged weights, warmed up.")
    patience: int = Field(ge=1, description="Stop after this many epochs without a better mAP.")
    augmentation: Augmentation = Field(default="standard", description="Preset of random changes of images.")
    settling_epochs: int = Field(default=0, ge=0, description="Last epochs without mosaics and mixtures of images.")
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
    images_per_second: float = Field(ge=0, description="Training images per second of training time.")
    weights_sha256: Sha256 = Field(description="SHA-256 of best.safetensors.")
    resumed_from_epoch: int | None = Field(description="Whole epochs in the checkpoint this process began with.")
    device: str = Field(description="cpu or cuda, with the precision used.")
    # A run of an older version has none of these.
    still_rising: bool = Field(default=False, description="Whether more epochs would probably raise mAP.")
    devices: int = Field(default=1, ge=1, description="Devices that shared each batch.")
    micro_batch: int | None = Field(default=None, ge=1, description="Images on a device at a time.")
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
