"""job.json: what a trainer process does. Its parent writes it, and it is all that the process is told."""

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter, ValidationError

from tasks.errors import BadSpec
from tasks.local.files import publish_bytes
from tasks.records import MachineOptions, Part, Split, TrainingSpec

CONTRACT = 2
"""Number of the layout of jobs and events. Raise it whenever a field comes, goes, or changes its meaning."""


class InitialWeights(Part):
    """Weights that a run starts from."""

    file: Path = Field(description="The file; the spec names its SHA-256.")
    source: str = Field(description="Where it came from, for the result.")
    licence: str | None = Field(default=None, description="Its licence, for the result and the model.")


class Work(Part):
    """What all jobs have."""

    contract: int = Field(default=CONTRACT, description="Number of the layout.")
    data: Path = Field(description="Dataset folder: snapshot.json and images/.")
    out: Path = Field(description="Folder for what is written.")


class TrainingWork(Work):
    """Train, or go on from last.ckpt; then detect with the best weights, while torch is loaded."""

    kind: Literal["train"] = "train"
    spec: TrainingSpec = Field(description="The run.")
    machine: MachineOptions = Field(default=MachineOptions(), description="How this machine trains.")
    weights: InitialWeights | None = Field(default=None, description="Weights to start from; empty for random ones.")
    detect: tuple[Split, ...] = Field(default=(), description="Splits to detect on after the end.")
    loader_workers: int | None = Field(
        default=None, ge=0, description="Processes that load images, a device; empty for as many as it needs."
    )
    watchdog_seconds: float = Field(default=900, gt=0, description="A trainer without a step for so long is ended.")


class DetectionWork(Work):
    """Detect on splits with a run's weights, and measure how fast that is."""

    kind: Literal["detect"] = "detect"
    machine: MachineOptions = Field(default=MachineOptions(), description="How this machine computes.")
    weights: Path = Field(description="best.safetensors of a run.")
    splits: tuple[Split, ...] = Field(min_length=1, description="Splits that have images, in this order.")


class ExportWork(Work):
    """Write a run's weights in all formats, and measure each file."""

    kind: Literal["export"] = "export"
    weights: Path = Field(description="best.safetensors of a run.")
    split: Split = Field(description="Split whose images the files are measured on.")
    threshold: float = Field(ge=0, le=1, description="Confidence threshold that the files name.")


TrainerJob = Annotated[TrainingWork | DetectionWork | ExportWork, Field(discriminator="kind")]
_JOBS: TypeAdapter[TrainerJob] = TypeAdapter(TrainerJob)


def write_job(path: Path, job: TrainerJob) -> None:
    """Write a job file in place of the one before; the same job again changes nothing."""
    content = job.model_dump_json(indent=1).encode()
    if not path.exists() or path.read_bytes() != content:
        publish_bytes(path, content)


def read_job(path: Path) -> TrainerJob:
    """Read a job file.

    Raises:
        BadSpec: there is none, it is no job, or it was written by a nasflow with another contract.
    """
    try:
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise BadSpec(f"{path}: {error.strerror}; write the job there first") from None
    except ValueError as error:
        raise BadSpec(f"{path}: not JSON ({error}); correct the job") from None
    if isinstance(values, dict) and (theirs := values.get("contract", CONTRACT)) != CONTRACT:
        raise BadSpec(
            f"{path}: it follows contract {theirs}, this trainer knows {CONTRACT}: nasflow was exchanged while its "
            "worker ran; start the worker again"
        )
    try:
        return _JOBS.validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"][1:]))  # the first one is the kind of the job
        raise BadSpec(f"{path}: {field or 'kind'}: {first['msg']}; correct the job") from None
