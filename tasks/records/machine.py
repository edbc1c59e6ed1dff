"""How a machine trains. Plain data, which settings, the command's options and the trainer's job file share."""

from typing import Literal

from pydantic import Field

from tasks.records.base import Part

PrecisionName = Literal["bf16", "fp16", "fp32"]


class MachineOptions(Part):
    """What belongs to a machine and not to a run. Only rounding depends on it."""

    devices: int = Field(default=1, ge=1, description="GPUs that share a training run.")
    precision: PrecisionName | None = Field(
        default=None, description="Number format of training; left out, what the device computes fastest."
    )
    checkpoint_every_minutes: float = Field(
        default=10, gt=0, description="Longest time between checkpoints; short epochs have one a minute."
    )
    compile: bool = Field(
        default=False, description="Train with torch.compile: takes minutes at the start; try whether it pays."
    )
