"""last.ckpt: all that a run needs to resume as if it had never stopped.

It is written whole or not at all. The one before it stays as previous.ckpt, in case the disk damages the newer one. It
holds tensors and plain data only, so that reading it runs no code.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from tasks.errors import BadCheckpoint, DamagedCheckpoint
from tasks.local.files import file_sha256, publishing
from tasks.records import TrainingSpec
from tasks.training.contract import files
from tasks.training.worker.loop.progress import Progress
from tasks.training.worker.runtime.disk import disk_full_reported

FORMAT = 5
STATE = ("layout", "network", "ema", "steps", "optimizer", "scaler", "random_state", "best")

PROGRESS = TypeAdapter(Progress)


@dataclass(frozen=True)
class Checkpoint:
    """What last.ckpt holds."""

    progress: Progress
    state: dict[str, Any]
    """Of the TrainingStep, and the EMA of the best epoch, by the names in STATE."""


def write_checkpoint(folder: Path, spec: TrainingSpec, checkpoint: Checkpoint) -> tuple[str, int]:
    """Write last.ckpt, and keep the one before it.

    Args:
        folder: The run's folder.
        spec: The run.
        checkpoint: What to write.

    Returns:
        SHA-256, and size in bytes.

    Raises:
        DiskFull: there is no room; earlier checkpoints stay as they are.
    """
    content = {
        "format": FORMAT,
        "spec": spec.model_dump_json(),
        "progress": PROGRESS.dump_json(checkpoint.progress).decode(),
        **checkpoint.state,
    }
    with disk_full_reported(folder), publishing(folder / files.LAST) as temporary:
        torch.save(content, temporary)  # by torch itself, which writes without Python's lock
        sha256, size = file_sha256(temporary), temporary.stat().st_size
        keep_previous(folder)
    return sha256, size


def keep_previous(folder: Path) -> None:
    """Give last.ckpt its second name, previous.ckpt."""
    if (folder / files.LAST).exists():
        link = folder / f".{files.PREVIOUS}.{os.getpid()}.tmp"
        link.unlink(missing_ok=True)
        os.link(folder / files.LAST, link)
        link.replace(folder / files.PREVIOUS)


def newest_checkpoint(folder: Path, spec: TrainingSpec) -> tuple[Checkpoint, str | None] | None:
    """Read the newest readable checkpoint.

    Args:
        folder: The run's folder.
        spec: The run.

    Returns:
        The checkpoint, and what was wrong with a newer one; None without any checkpoint.

    Raises:
        DamagedCheckpoint: none of the existing ones can be read.
        BadCheckpoint: they are of another run.
    """
    existing = [folder / name for name in (files.LAST, files.PREVIOUS) if (folder / name).exists()]
    damaged: DamagedCheckpoint | None = None
    for path in existing:
        try:
            return read_checkpoint(path, spec), str(damaged) if damaged else None
        except DamagedCheckpoint as error:
            damaged = damaged or error
    if damaged:
        raise damaged
    return None


def read_checkpoint(path: Path, spec: TrainingSpec) -> Checkpoint:
    """Read a checkpoint.

    Raises:
        DamagedCheckpoint: it cannot be read.
        BadCheckpoint: it is of another version, or of another run, with every field that differs.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        its_format = content["format"]
    except Exception as error:  # noqa: BLE001, a damaged file fails in many ways
        raise DamagedCheckpoint(
            f"{path}: not a readable checkpoint ({(str(error).splitlines() or ['empty'])[0][:200]}); "
            "remove it to start from the beginning"
        ) from None
    if its_format != FORMAT:
        raise BadCheckpoint(f"{path}: checkpoint format {its_format}, this version reads {FORMAT}; finish it there")
    its_spec = TrainingSpec.model_validate_json(content["spec"])
    if its_spec.digest != spec.digest:
        raise BadCheckpoint(f"{path}: {files.another_run(its_spec.digest, its_spec, spec)}")
    return Checkpoint(PROGRESS.validate_json(content["progress"]), {name: content[name] for name in STATE})
