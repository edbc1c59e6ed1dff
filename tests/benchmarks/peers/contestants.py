"""Contestants of the benchmarks, each run in a process of its own and measured from outside."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from tasks.local import dataset_folder
from tasks.records import MachineOptions, PrecisionName, TrainingSpec, Variant
from tasks.training.contract.job import TrainingWork, write_job
from tasks.training.launch import environment
from tasks.training.spec import WARMUP_FROM_RANDOM
from tests.benchmarks.peers import jobs

ROOT = Path(__file__).resolve().parents[3]
INSTALLED = ROOT / ".bench"
"""Where ``make bench`` puts the peers that the product does not need."""


VARIANTS: dict[str, Variant] = {"yolo_nas_s": "s", "yolo_nas_m": "m", "yolo_nas_l": "l"}


class Failed(Exception):
    """A contestant's process failed; the message is the last line of its output that names an error."""


class Place(Protocol):
    """What a process is measured for; a job is one."""

    @property
    def folder(self) -> Path:
        """Where its log goes."""

    @property
    def device(self) -> str:
        """``cpu``, or ``cuda`` for the first GPU."""


@dataclass(frozen=True)
class Run:
    """A process that succeeded."""

    seconds: float
    peak_bytes: int
    """Largest resident memory of any one of its processes."""
    written_bytes: int
    """Bytes that it and its children passed to write calls; 0 where the system does not say."""
    report: dict[str, Any] = field(default_factory=dict)
    """What the contestant reports, at least ``images_per_second``."""


@dataclass(frozen=True)
class Ours:
    """``python -m tasks.training.worker``, with the environment variables that nasflow sets."""

    precision: PrecisionName | None = None
    network: str = "yolo_nas_s"

    def train(self, job: jobs.Job) -> Run:
        """Train, and measure the process."""
        path = job.folder / "job.json"
        job.folder.mkdir(exist_ok=True)
        machine = MachineOptions(precision=self.precision)
        work = TrainingWork(spec=spec_of(job), data=job.own_data, out=job.folder / "run", machine=machine)
        write_job(path, work)
        run = measure(
            job, "tasks.training.worker", "--job", path, "--events", job.folder / "events.jsonl",
            variables=environment(),
        )  # fmt: skip
        run.report.update(json.loads((job.folder / "run" / "result.json").read_text()))
        return run

    def detect(self, job: jobs.Job) -> None:
        """Write detections of the best weights on the test split."""
        measure(
            job,
            "tasks.training.worker",
            "--job",
            jobs.detection(job, job.folder / "run" / "best.safetensors"),
            variables=environment(),
        )
        jobs.keep_detections(job)


@dataclass(frozen=True)
class Peer:
    """A module of this package that runs another trainer."""

    module: str
    network: str = "yolo_nas_s"
    own_packages: bool = True
    """Whether packages that ``make bench`` installed come before the product's; super-gradients is the product's."""
    warmup: int | None = None
    """Steps of warm-up; None for its own."""

    def train(self, job: jobs.Job) -> Run:
        """Train, and measure the process."""
        job.folder.mkdir(exist_ok=True)
        run = self._measure(job, "train")
        run.report.update(json.loads((job.folder / "peer.json").read_text()))
        return run

    def detect(self, job: jobs.Job) -> None:
        """Write detections of the best weights on the test split."""
        self._measure(job, "detect")

    def _measure(self, job: jobs.Job, verb: str) -> Run:
        packages = INSTALLED if self.own_packages else None
        argument = replace(job, warmup=self.warmup).as_argument()
        return measure(job, f"tests.benchmarks.peers.{self.module}", verb, argument, packages=packages)


Contestant = Ours | Peer
SUPER_GRADIENTS = Peer("super_gradients_trainer", own_packages=False)
WARMED_AS_OURS = Peer("super_gradients_trainer", own_packages=False, warmup=WARMUP_FROM_RANDOM)
NASFLOW, NASFLOW_FP32 = Ours(), Ours("fp32")


def spec_of(job: jobs.Job) -> TrainingSpec:
    """The spec of a job for our trainer; the run never stops early."""
    snapshot = dataset_folder.load(job.own_data)
    return TrainingSpec(
        snapshot_digest=snapshot.digest, classes=snapshot.classes, variant=VARIANTS[job.network],
        epochs=job.epochs, image_size=job.size, batch_size=job.batch, learning_rate=job.learning_rate,
        warmup_steps=WARMUP_FROM_RANDOM, weight_decay=jobs.WEIGHT_DECAY, final_learning_rate_ratio=jobs.FINAL_RATIO,
        patience=job.epochs, seed=job.seed,
    )  # fmt: skip


def measure(
    job: Place,
    module: str,
    *arguments: object,
    packages: Path | None = None,
    variables: Mapping[str, str] = os.environ,
) -> Run:
    """Run ``python -m module`` on the job's device and measure it; imports look into ``packages`` first."""
    path = [str(folder) for folder in (packages, os.environ.get("PYTHONPATH")) if folder]
    process_environment = {**variables, "PYTHONPATH": os.pathsep.join(path)}
    if job.device == "cpu":
        process_environment["CUDA_VISIBLE_DEVICES"] = ""
    log = job.folder / f"{module}.{arguments[0]}.log"
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with log.open("wb") as file:
        start = time.monotonic()
        process = subprocess.Popen(command, stdout=file, stderr=file, env=process_environment, cwd=ROOT)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # ended, but its numbers can still be read
        seconds, written = time.monotonic() - start, written_by(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        lines = log.read_text(errors="replace").strip().splitlines() or [f"exit code {process.returncode}"]
        raise Failed(([line for line in lines if "Error" in line] or lines)[-1][:200])
    return Run(seconds, usage.ru_maxrss * 1024, written)


def written_by(process: int) -> int:
    """Count the bytes that a process and its ended children passed to write calls."""
    try:
        lines = Path(f"/proc/{process}/io").read_text().splitlines()
    except OSError:
        return 0
    return int(dict(line.split(": ") for line in lines)["wchar"])


def machine() -> str:
    """Describe processor, cores, load and versions, for the head of a table."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "processor unknown")
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", "super-gradients"))
    return f"{name}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} at start, {versions}"
