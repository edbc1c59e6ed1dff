"""How far a training run is, from the events of its trainer. Nothing is printed here."""

from collections.abc import Mapping

from deployments.terminal.console import time_left
from tasks.records import Split, SplitCounts, TrainingSpec
from tasks.training.trainer_process import Event


class RunProgress:
    """What the events have said about a run so far."""

    def __init__(self, spec: TrainingSpec, splits: Mapping[Split, SplitCounts]) -> None:
        self.spec = spec
        self.splits = splits
        self.started: Event = {}
        self.epochs: list[Event] = []
        self.best_epoch: int | None = None
        self.step: Event = {}
        self.seconds_left: float | None = None
        self.peak_memory_bytes: int | None = None
        self.ended: str | None = None
        self.still_rising = False

    def update(self, event: Event) -> None:
        """Take an event of the trainer."""
        kind = event["event"]
        if kind in ("plan", "started"):
            # From these alone: the `precision` of an epoch is a score, not a number format.
            self.started.update(event)
        if kind == "started":
            self.epochs = list(event.get("history") or [])
            self.best_epoch = event.get("best_epoch")
            self.step = {}
        elif kind == "step":
            self.step = event
        elif kind == "epoch":
            self.epochs.append(event)
            self.best_epoch = event.get("best_epoch")
        elif kind == "finished":
            self.ended = event.get("ended", "epochs")
            self.still_rising = event.get("still_rising", False)
            self.started.setdefault("device", event.get("device"))
        self.seconds_left = event.get("seconds_left", self.seconds_left)
        self.peak_memory_bytes = event.get("peak_memory_bytes", self.peak_memory_bytes)

    @property
    def epochs_done(self) -> int:
        """Finished epochs, with those before a resumption."""
        return int(self.epochs[-1]["epoch"]) if self.epochs else 0

    @property
    def steps(self) -> tuple[int, int] | None:
        """Finished steps of the current epoch, and how many it has; None before the start and after the end."""
        if self.ended:
            return None
        if self.step and self.step["epoch"] > self.epochs_done:
            return self.step["step"], self.step["steps"]
        total = self.started.get("steps_per_epoch")
        return (0, total) if total else None

    @property
    def pace(self) -> list[str | None]:
        """Speed and loss of the latest step."""
        if not self.step:
            return []
        speed, loss = self.step.get("images_per_second"), self.step.get("loss")
        return [
            None if speed is None else f"{speed:.1f} images/s",
            "loss not finite" if loss is None else f"loss {loss:.3f}",
        ]

    @property
    def header(self) -> str:
        """Variant, device, precision, batch and images, such as ``YOLO-NAS S, cuda bf16-mixed, batch 8, …``."""
        device = self.started.get("device") or "starting the trainer"
        precision = self.started.get("precision")
        if precision and precision not in device:
            device = f"{device} {precision}"
        counts = ", ".join(f"{counts.images} {split}" for split, counts in self.splits.items())
        size = self.spec.image_size
        return f"YOLO-NAS {self.spec.variant.upper()}, {device}, {self._batch}, {size} px, images: {counts}"

    @property
    def _batch(self) -> str:
        batch = self.started.get("batch_size") or self.spec.batch_size
        micro = self.started.get("micro_batch") or batch
        return f"batch {batch}" if micro == batch else f"batch {batch} ({micro} at a time)"

    @property
    def peak_memory(self) -> str | None:
        """Such as ``peak memory 1.2 GiB``."""
        return None if self.peak_memory_bytes is None else f"peak memory {self.peak_memory_bytes / 2**30:.1f} GiB"

    @property
    def remaining(self) -> str | None:
        """Such as ``0:02:10 left``; after the end, why it ended."""
        if self.ended == "patience":
            return f"ended, no better mAP for {self.spec.patience} epochs"
        if self.ended:
            return "done; mAP was still rising, more epochs may help" if self.still_rising else "done"
        return None if self.seconds_left is None else time_left(self.seconds_left)


def messages_of(event: Event) -> list[str]:
    """What an event says in words: log lines, and what the run has too little of."""
    if event["event"] == "log":
        return [event["message"]]
    return [f"warning: {shortage}" for shortage in event.get("shortages") or []] if event["event"] == "plan" else []


def printable(message: str) -> str:
    """A message on one line, without control codes, which names of files and tensors may contain."""
    return "".join(character if character.isprintable() else " " for character in message)
