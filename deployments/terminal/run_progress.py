"""How far a training run is, from the events of its trainer. Nothing is printed here."""

from collections.abc import Mapping

from deployments.terminal.console import time_left
from tasks.records import EpochResult, Split, SplitCounts, TrainingSpec
from tasks.training.contract.events import EpochDone, Event, Finished, LogLine, Plan, Started, StepDone


class RunProgress:
    """What the events have said about a run so far."""

    def __init__(self, spec: TrainingSpec, splits: Mapping[Split, SplitCounts]) -> None:
        self.spec = spec
        self.splits = splits
        self.plan: Plan | None = None
        self.started: Started | None = None
        self.epochs: list[EpochResult] = []
        self.best_epoch: int | None = None
        self.step: StepDone | None = None
        self.seconds_left: float | None = None
        self.peak_memory_bytes: int | None = None
        self.finished: Finished | None = None

    def update(self, event: Event) -> None:
        """Take an event of the trainer."""
        match event:
            case Plan():
                self.plan = event
            case Started():
                self.started, self.step = event, None
                self.epochs, self.best_epoch = list(event.history), event.best_epoch
            case StepDone():
                self.step, self.seconds_left = event, event.seconds_left
            case EpochDone():
                self.epochs.append(event)
                self.best_epoch = event.best_epoch
                self.seconds_left, self.peak_memory_bytes = event.seconds_left, event.peak_memory_bytes
            case Finished():
                self.finished = event
                if event.result:
                    self.peak_memory_bytes = event.result.peak_memory_bytes or self.peak_memory_bytes

    @property
    def epochs_done(self) -> int:
        """Finished epochs, with those before a resumption."""
        return self.epochs[-1].epoch if self.epochs else 0

    @property
    def steps(self) -> tuple[int, int] | None:
        """Finished steps of the current epoch, and how many it has; None before the start and after the end."""
        if self.finished:
            return None
        if self.step and self.step.epoch > self.epochs_done:
            return self.step.step, self.step.steps
        return (0, self.started.steps_per_epoch) if self.started else None

    @property
    def pace(self) -> list[str]:
        """Speed and loss of the latest step."""
        if self.step is None:
            return []
        loss = "loss not finite" if self.step.loss is None else f"loss {self.step.loss:.3f}"
        return [f"{self.step.images_per_second:.1f} images/s", loss]

    @property
    def header(self) -> str:
        """Variant, device, precision, batch and images, such as ``YOLO-NAS S, cuda bf16-mixed, batch 8, …``."""
        counts = ", ".join(f"{counts.images} {split}" for split, counts in self.splits.items())
        size = self.spec.image_size
        return f"YOLO-NAS {self.spec.variant.upper()}, {self._device}, {self._batch}, {size} px, images: {counts}"

    @property
    def _device(self) -> str:
        if known := self.plan or self.started or (self.finished and self.finished.result):
            return known.device
        return "starting the trainer"

    @property
    def _batch(self) -> str:
        batch, micro = (self.plan.batch_size, self.plan.micro_batch) if self.plan else (self.spec.batch_size,) * 2
        return f"batch {batch}" if micro == batch else f"batch {batch} ({micro} at a time)"

    @property
    def peak_memory(self) -> str | None:
        """Such as ``peak memory 1.2 GiB``."""
        return None if self.peak_memory_bytes is None else f"peak memory {self.peak_memory_bytes / 2**30:.1f} GiB"

    @property
    def remaining(self) -> str | None:
        """Such as ``0:02:10 left``; after the end, why it ended."""
        if self.finished is None:
            return None if self.seconds_left is None else time_left(self.seconds_left)
        result = self.finished.result
        if result and result.ended == "patience":
            return f"ended, no better mAP for {self.spec.patience} epochs"
        return "done; mAP was still rising, more epochs may help" if result and result.still_rising else "done"


def messages_of(event: Event) -> list[str]:
    """What an event says in words: log lines, and what the run has too little of."""
    if isinstance(event, LogLine):
        return [event.message]
    return [f"warning: {shortage}" for shortage in event.shortages] if isinstance(event, Plan) else []


def printable(message: str) -> str:
    """A message on one line, without control codes, which names of files and tensors may contain."""
    return "".join(character if character.isprintable() else " " for character in message)
