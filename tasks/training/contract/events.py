"""What a trainer tells its parent while it works: one event a line, as JSON, on a descriptor of its own.

Fields have the units of the records that they come from; times are seconds, sizes are bytes.
"""

import json
import time
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from tasks.records import Augmentation, EpochResult, Part, StartWeights, TrainingResult
from tasks.training.contract.job import CONTRACT


class TrainerEvent(Part):
    """What all events have."""

    contract: int = CONTRACT
    time: float = Field(default_factory=lambda: round(time.time(), 3), description="Seconds since 1970.")


class Plan(TrainerEvent):
    """How a run fits its machine; sent once, before the first step."""

    event: Literal["plan"] = "plan"
    device: str
    machine: str
    devices: int
    precision: str
    batch_size: int
    micro_batch: int = Field(description="Images that all devices take at a time.")
    loader_workers: int
    train_images: str = Field(description="Where the images are kept decoded, in words.")
    valid_images: str
    augmentation: Augmentation
    shortages: tuple[str, ...] = Field(description="What there was too little of, and what was done.")
    start: StartWeights | None
    versions: dict[str, str]


class Started(TrainerEvent):
    """How far a run is when a process begins."""

    event: Literal["started"] = "started"
    device: str
    epochs: int
    epochs_done: int
    steps_done: int
    steps_per_epoch: int
    resumed_from_epoch: int | None
    history: tuple[EpochResult, ...]
    best_epoch: int | None


class StepDone(TrainerEvent):
    """A training step."""

    event: Literal["step"] = "step"
    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float | None = Field(description="None if it is not finite.")
    step_images_per_second: float
    images_per_second: float = Field(description="Of the whole run.")
    seconds_left: float


class EpochDone(TrainerEvent, EpochResult):
    """An epoch with its validation."""

    event: Literal["epoch"] = "epoch"
    best_epoch: int | None
    epochs: int
    seconds_left: float
    peak_memory_bytes: int


class CheckpointSaved(TrainerEvent):
    """last.ckpt is whole on this machine's disk."""

    event: Literal["checkpoint"] = "checkpoint"
    epochs_done: int
    steps_done: int
    sha256: str
    size: int
    seconds: float = Field(description="Time that training stood still.")


class BatchesDone(TrainerEvent):
    """Batches of images, of a detection or an export."""

    event: Literal["batches"] = "batches"
    done: int
    total: int


class LogLine(TrainerEvent):
    """Something that people should read."""

    event: Literal["log"] = "log"
    message: str


class Finished(TrainerEvent):
    """The job is done; the last event of a job."""

    event: Literal["finished"] = "finished"
    result: TrainingResult | None = Field(default=None, description="Of a training.")
    waits: bool = Field(default=False, description="Whether the process waits for a further job, or ends.")


class Failed(TrainerEvent):
    """The work ended with an error; the last event."""

    event: Literal["error"] = "error"
    kind: str = Field(description="Name of the error's class.")
    message: str
    exit_code: int


class Tick(TrainerEvent):
    """Nothing was said for a while. The parent makes it by itself."""

    event: Literal["tick"] = "tick"


Event = Annotated[
    Plan | Started | StepDone | EpochDone | CheckpointSaved | BatchesDone | LogLine | Finished | Failed | Tick,
    Field(discriminator="event"),
]
_EVENTS: TypeAdapter[Event] = TypeAdapter(Event)


def read_event(line: str) -> Event | None:
    """Read a line.

    Args:
        line: What a trainer wrote.

    Returns:
        The event; None for a line that a process was killed in. A whole line that is no event of this contract, such as
        one of a nasflow that was installed meanwhile, is told as a log line.
    """
    try:
        values = json.loads(line)
    except ValueError:
        return None
    try:
        return _EVENTS.validate_python(values)
    except ValidationError as error:
        theirs = values.get("contract") if isinstance(values, dict) else None
        first = error.errors(include_input=False)[0]
        why = f"contract {theirs}, not {CONTRACT}" if theirs not in (None, CONTRACT) else first["msg"]
        return LogLine(message=f"an event of the trainer cannot be read ({why}): {line.strip()[:200]}")
