"""Which workers a machine has: one a GPU, or one with all GPUs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

Gpus = Literal["each", "together"]

CONTROL_LIMIT = 4
"""Light flow runs at a time; most of them wait for others."""


@dataclass(frozen=True)
class Place:
    """A Prefect worker of this machine.

    Attributes:
        name: Its name in Prefect.
        limit: Flow runs at a time.
        variables: What its environment has besides that of this process.
    """

    name: str
    limit: int
    variables: dict[str, str] = field(default_factory=dict)


def control_place(name: str) -> list[Place]:
    """The worker of a pool that does not train."""
    return [Place(name, CONTROL_LIMIT)]


def training_places(name: str, gpus: Sequence[str], visible: str, how: Gpus) -> list[Place]:
    """The workers of a machine that trains, each with one flow run at a time.

    Args:
        name: Begin of their names.
        gpus: GPUs that a trainer finds.
        visible: CUDA_VISIBLE_DEVICES of this process; empty for all.
        how: A worker for each GPU, or one whose runs train on all of them.

    Returns:
        The workers; one that trains on the processor where there is no GPU.
    """
    if len(gpus) < 2:
        return [Place(name, 1)]
    if how == "together":
        return [Place(name, 1, {"NASFLOW_DEVICES": str(len(gpus))})]
    devices = [device.strip() for device in visible.split(",")] if visible else [str(i) for i in range(len(gpus))]
    return [
        Place(f"{name}-gpu-{number}", 1, {"CUDA_VISIBLE_DEVICES": device})
        for number, device in zip(range(len(gpus)), devices, strict=False)
    ]
