"""Checks of this machine: Python, memory, disk, and whether it can train."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from deployments.doctor.check import Check, check
from tasks.errors import NasflowError
from tasks.settings import WorkSettings, from_environment

TrainerFacts = dict[str, Any]
"""Versions of ``torch`` and ``sg``, the ``device``, and the names of the ``gpus``."""

MIN_DISK_GB = 8
MIN_MEMORY_GB = 6

_TRAINER_PROBE = """
import json, os, sys, tempfile
os.environ.update(CRASH_HANDLER="FALSE", NO_ALBUMENTATIONS_UPDATE="1", SUPER_GRADIENTS_LOG_DIR=tempfile.mkdtemp())
import torch
from tasks.training.worker.runtime.device import choose_device
import super_gradients
gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
print("\\n" + json.dumps({"torch": torch.__version__, "sg": super_gradients.__version__,
                          "device": str(choose_device()), "gpus": gpus}))
"""


def python() -> Check:
    """Versions of Python and of the packages."""
    version = ".".join(map(str, sys.version_info[:3]))
    names = ("prefect", "boto3", "roboflow", "pydantic", "hotcoco")
    try:
        packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    except importlib.metadata.PackageNotFoundError as error:
        return check("python", "error", f"{version}; package {error.name} is missing", "run `make setup`")
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return check("python", "error", version, "use Python 3.11, 3.12 or 3.13")
    return check("python", "ok", f"{version}; {packages}")


def memory() -> Check:
    """Free memory."""
    gigabytes = psutil.virtual_memory().available / 1e9
    message = f"{gigabytes:.1f} GB free, {os.cpu_count()} processor cores"
    if gigabytes < MIN_MEMORY_GB:
        return check("memory", "warning", message, "train variant s with a small batch, or on another machine")
    return check("memory", "ok", message)


def disk() -> Check:
    """Free space of the work folder."""
    folder = from_environment(WorkSettings).work_dir
    existing = next(parent for parent in [folder, *folder.parents] if parent.exists())
    gigabytes = shutil.disk_usage(existing).free / 1e9
    message = f"{gigabytes:.1f} GB free for {folder}"
    if gigabytes < MIN_DISK_GB:
        return check("disk", "warning", message, f"free {MIN_DISK_GB} GB, or set NASFLOW_WORK_DIR to another disk")
    return check("disk", "ok", message)


def trainer() -> Check:
    """Whether a trainer can start, and on which device."""
    try:
        return describe_trainer(probe_trainer())
    except NasflowError as error:
        return check("trainer", "warning", str(error), "run `make setup`, or train elsewhere")


def probe_trainer() -> TrainerFacts:
    """What a trainer would find here, in a process of its own, since super-gradients changes the one that imports it.

    Raises:
        NasflowError: a trainer cannot start.
    """
    command = [sys.executable, "-W", "ignore", "-c", _TRAINER_PROBE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path.cwd())
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise NasflowError(f"cannot train here: {lines[-1] if lines else f'exit code {done.returncode}'}")
    facts: TrainerFacts = json.loads(done.stdout.strip().splitlines()[-1])
    return facts


def describe_trainer(facts: TrainerFacts) -> Check:
    """The check of what a trainer found."""
    gpus = ", ".join(facts["gpus"]) or "no GPU"
    message = f"torch {facts['torch']}, super-gradients {facts['sg']}; trains on {facts['device']}; {gpus}"
    return check("trainer", "ok", message)
