"""fit.json: how a run was made to fit its machine. The trainer writes it, or its parent when the trainer was killed.

It is no part of a run's identity: the effective batch, and so what is learnt, stays the spec's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from tasks.errors import OutOfMemory
from tasks.local.files import publish_bytes
from tasks.records import Part
from tasks.training.contract import files

Shortage = Literal["memory", "loader memory", "shared memory"]
"""What ran out: memory of the GPU or the training process, memory of loader processes, or /dev/shm."""
OUT_OF: dict[Shortage, str] = {
    "memory": "out of memory",
    "loader memory": "out of memory in a loader process",
    "shared memory": "out of shared memory, /dev/shm",
}


class Fit(Part):
    """What a device takes at a time, and why it is less than it might be."""

    micro_batch: int = Field(ge=1, description="Most images on a device at a time.")
    loader_workers: int | None = Field(
        default=None, ge=0, description="Most processes that load images, a device; empty for as many as wanted."
    )
    shortages: tuple[str, ...] = Field(default=(), description="What there was too little of, and what was done.")

    def reduced_after(self, shortage: Shortage) -> "Fit | None":
        """The next smaller fit; None if there is nothing smaller."""
        if shortage != "memory" and self.loader_workers != 0:
            line = f"{OUT_OF[shortage]}; without loader processes since then"
            return self.model_copy(update={"loader_workers": 0, "shortages": (*self.shortages, line)})
        return self.halved(OUT_OF[shortage])

    def halved(self, reason: str) -> "Fit | None":
        """The fit with half the images at a time; None if it is one image already."""
        if self.micro_batch == 1:
            return None
        half = (self.micro_batch + 1) // 2
        line = f"{reason} with {self.micro_batch} images at a time; {half} at a time since then"
        return self.model_copy(update={"micro_batch": half, "shortages": (*self.shortages, line)})


def read_fit(folder: Path) -> Fit | None:
    """The fit in a run's folder; None if there is none, or it cannot be read."""
    try:
        return Fit.model_validate_json((folder / files.FIT).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_fit(folder: Path, fit: Fit) -> None:
    """Write the fit into a run's folder."""
    publish_bytes(folder / files.FIT, fit.model_dump_json(indent=1).encode())


def reduce_fit(folder: Path, fit: Fit, shortage: Shortage) -> OutOfMemory:
    """Have the next trainer in a folder take less at a time.

    Args:
        folder: The run's folder.
        fit: What the trainer took that ran out.
        shortage: What it ran out of.

    Returns:
        The error to raise, which says what follows.
    """
    if (smaller := fit.reduced_after(shortage)) is None:
        return OutOfMemory(
            f"{OUT_OF[shortage]} with one image at a time; lower the image size, or take a smaller variant"
        )
    write_fit(folder, smaller)
    return OutOfMemory(f"{smaller.shortages[-1]}; started again, it goes on from its last checkpoint")


def until_it_fits(folder: Path, train: Callable[[], None], on_shortage: Callable[[str], None]) -> None:
    """Train again while memory runs out and the run's folder says that less is taken at a time.

    Args:
        folder: The run's folder.
        train: Runs one trainer from start to end.
        on_shortage: Called with a message that says what ran out and what follows.

    Raises:
        OutOfMemory: there is nothing smaller.
    """
    while True:
        previous = read_fit(folder)
        try:
            return train()
        except OutOfMemory as error:
            if read_fit(folder) == previous:
                raise
            on_shortage(str(error))
