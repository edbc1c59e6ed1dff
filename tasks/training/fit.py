"""fit.json: how a run was made to fit its machine. The trainer writes it; its parent, when the trainer was killed.

It is no part of a run's identity: the effective batch, and so what is learnt, stays the spec's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from tasks.errors import OutOfMemory
from tasks.local.files import publish_bytes
from tasks.records import Part
from tasks.training import files

Shortage = Literal["memory", "loader memory", "shared memory"]
"""What ran out: the GPU's or the training process's, that of processes that load images, or /dev/shm."""
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

    def after(self, shortage: Shortage) -> "Fit | None":
        """What to try next; None if there is nothing smaller."""
        if shortage != "memory" and self.loader_workers != 0:
            line = f"{OUT_OF[shortage]}; without loader processes since then"
            return self.model_copy(update={"loader_workers": 0, "shortages": (*self.shortages, line)})
        return self.halved(OUT_OF[shortage])

    def halved(self, what: str) -> "Fit | None":
        """With half the images at a time; None if it was one already."""
        if self.micro_batch == 1:
            return None
        half = (self.micro_batch + 1) // 2
        line = f"{what} with {self.micro_batch} images at a time; {half} at a time since then"
        return self.model_copy(update={"micro_batch": half, "shortages": (*self.shortages, line)})


def read_fit(folder: Path) -> Fit | None:
    """The fit of a run in its folder; None if it was never made, or cannot be read."""
    try:
        return Fit.model_validate_json((folder / files.FIT).read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_fit(folder: Path, fit: Fit) -> None:
    """Publish the fit."""
    publish_bytes(folder / files.FIT, fit.model_dump_json(indent=1).encode())


def less_next_time(folder: Path, fit: Fit, shortage: Shortage) -> OutOfMemory:
    """Have the next trainer in ``folder`` take less at a time than ``fit``; gives the error to raise."""
    if (smaller := fit.after(shortage)) is None:
        return OutOfMemory(
            f"{OUT_OF[shortage]} with one image at a time; lower the image size, or take a smaller variant"
        )
    write_fit(folder, smaller)
    return OutOfMemory(f"{smaller.shortages[-1]}; started again, it goes on from its last checkpoint")


def until_it_fits(folder: Path, train: Callable[[], None], say: Callable[[str], None]) -> None:
    """Train again while memory runs out and the run's folder says that less is taken at a time.

    Args:
        folder: The run's.
        train: One trainer from start to end.
        say: Hears what ran out and what follows.

    Raises:
        OutOfMemory: there is nothing smaller.
    """
    while True:
        before = read_fit(folder)
        try:
            return train()
        except OutOfMemory as error:
            if read_fit(folder) == before:
                raise
            say(str(error))
