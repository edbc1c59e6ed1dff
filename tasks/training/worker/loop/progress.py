"""How far a training run is, its best epoch, and when it is over. Plain data and arithmetic."""

from dataclasses import dataclass, field
from typing import Literal

from tasks.records import BestEpoch, EpochResult

Ending = Literal["epochs", "patience"]


@dataclass
class Progress:
    """How far a run is."""

    epochs_done: int = 0
    """Whole epochs, each with its validation."""
    steps_done: int = 0
    """Steps done of the epoch after them."""
    history: list[EpochResult] = field(default_factory=list)
    best: BestEpoch | None = None
    seconds: float = 0.0
    """Wall time of training and validation, over all resumptions."""
    training_seconds: float = 0.0
    """The part of it spent on training steps."""
    images: int = 0
    """Images trained on, counted once per epoch."""
    loss_sums: list[float] = field(default_factory=lambda: [0.0] * 4)
    """Sums over the good steps of the epoch under way, in the order of LOSS_PARTS."""
    good_steps: int = 0
    """Steps of the epoch under way whose loss was a finite number."""
    epoch_seconds: float = 0.0
    """Wall time of the epoch under way."""

    def add_step(self, images: int, seconds: float) -> None:
        """Count a step of so many images and ``seconds`` of wall time."""
        self.steps_done += 1
        self.images += images
        self.seconds += seconds
        self.training_seconds += seconds
        self.epoch_seconds += seconds

    def add_epoch(self, result: EpochResult, validation_seconds: float) -> EpochResult:
        """End the epoch under way. Returns its result with its wall time."""
        self.seconds += validation_seconds
        result = result.model_copy(update={"seconds": round(self.epoch_seconds + validation_seconds, 3)})
        self.history.append(result)
        if is_better(result, self.best):
            self.best = BestEpoch(epoch=result.epoch, map=result.map, valid_loss=result.valid_losses["total"])
        self.epochs_done, self.steps_done = result.epoch, 0
        self.loss_sums, self.good_steps, self.epoch_seconds = [0.0] * 4, 0, 0.0
        return result

    def ended(self, epochs: int, patience: int) -> Ending | None:
        """Why the run is over, or None if it is not."""
        if self.epochs_done >= epochs:
            return "epochs"
        if self.best and self.epochs_done - self.best.epoch >= patience:
            return "patience"
        return None

    def seconds_left(self, epochs: int, steps_per_epoch: int) -> float:
        """Wall time until all epochs are done, at the pace so far; patience may end the run sooner."""
        done = self.epochs_done + self.steps_done / steps_per_epoch
        return self.seconds / done * (epochs - done)

    @property
    def images_per_second(self) -> float:
        """Training images per second of training time."""
        return self.images / max(self.training_seconds, 1e-9)


def is_better(result: EpochResult, best: BestEpoch | None) -> bool:
    """Whether an epoch has a higher mAP, or the same mAP and a lower validation loss (early epochs may have mAP 0)."""
    return best is None or (result.map, -result.valid_losses["total"]) > (best.map, -best.valid_loss)
