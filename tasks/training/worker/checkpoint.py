"""last.ckpt: all that a run needs to go on as if it had never stopped. Written whole or not at all.

It holds tensors and plain data only, so that reading it runs no code.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from tasks.dataset_folder import file_sha256
from tasks.errors import BadCheckpoint
from tasks.training.worker.progress import Progress

FORMAT = 1


PROGRESS = TypeAdapter(Progress)


@dataclass(frozen=True)
class Checkpoint:
    """What last.ckpt holds."""

    progress: Progress
    network: dict[str, Any]
    average: dict[str, Any]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    """State of the precision plugin (the gradient scaler of fp16)."""
    random_state: torch.Tensor


def write_checkpoint(path: Path, run_key: str, checkpoint: Checkpoint) -> tuple[str, int]:
    """Publish a checkpoint under ``path``; gives its SHA-256 and size in bytes."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    content = {
        "format": FORMAT,
        "run_key": run_key,
        "progress": PROGRESS.dump_json(checkpoint.progress).decode(),
        "network": checkpoint.network,
        "average": checkpoint.average,
        "optimizer": checkpoint.optimizer,
        "scaler": checkpoint.scaler,
        "random_state": checkpoint.random_state,
    }
    try:
        with temporary.open("wb") as file:
            torch.save(content, file)
            file.flush()
            os.fsync(file.fileno())
        sha256, size = file_sha256(temporary), temporary.stat().st_size
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return sha256, size


def read_checkpoint(path: Path, run_key: str) -> Checkpoint:
    """Read a checkpoint of this very run.

    Raises:
        BadCheckpoint: it is damaged, or of another run.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # noqa: BLE001, a damaged file fails in many ways
        raise BadCheckpoint(
            f"{path}: not a readable checkpoint ({str(error).splitlines()[0][:200]}); "
            "remove it to start from the beginning"
        ) from None
    if content["format"] != FORMAT:
        raise BadCheckpoint(
            f"{path}: checkpoint format {content['format']}, this version reads {FORMAT}; finish it there"
        )
    if content["run_key"] != run_key:
        raise BadCheckpoint(
            f"{path}: belongs to run {content['run_key'][:12]}, this spec is run {run_key[:12]}; take another folder"
        )
    kept = {name: content[name] for name in ("network", "average", "optimizer", "scaler", "random_state")}
    return Checkpoint(progress=PROGRESS.validate_json(content["progress"]), **kept)
