"""``nasflow doctor``: what is wrong with this machine, environment, store and server, with a remedy each."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from deployments.remote.server import asking_server, no_answer, server_url
from tasks.errors import BadSettings
from tasks.settings import RoboflowSettings, WorkSettings, from_environment
from tasks.storage.probe import probe
from tasks.storage.s3 import Store

Check = dict[str, Any]
"""``name``, ``status`` (ok, warning or error), ``message``, ``remedy``."""

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


def doctor() -> dict[str, Any]:
    """Run all checks; ``ok`` is true when none is an error."""
    functions = [_python, _memory, _disk, _trainer, _store, _server, _roboflow]
    checks = [_with_settings_checked(function) for function in functions]
    return {"ok": all(check["status"] != "error" for check in checks), "checks": checks}


def _check(name: str, status: str, message: str, remedy: str = "") -> Check:
    return {"name": name, "status": status, "message": message, "remedy": remedy}


def _with_settings_checked(function: Callable[[], Check]) -> Check:
    """The check of a function; settings that it cannot read are an error of that check."""
    try:
        return function()
    except BadSettings as error:
        return _check(function.__name__.strip("_"), "error", str(error), "correct the variable")


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    names = ("prefect", "boto3", "roboflow", "pydantic", "hotcoco")
    try:
        packages = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    except importlib.metadata.PackageNotFoundError as error:
        return _check("python", "error", f"{version}; package {error.name} is missing", "run `make setup`")
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return _check("python", "error", version, "use Python 3.11, 3.12 or 3.13")
    return _check("python", "ok", f"{version}; {packages}")


def _memory() -> Check:
    gigabytes = psutil.virtual_memory().available / 1e9
    message = f"{gigabytes:.1f} GB free, {os.cpu_count()} processor cores"
    if gigabytes < MIN_MEMORY_GB:
        return _check("memory", "warning", message, "train variant s with a small batch, or on another machine")
    return _check("memory", "ok", message)


def _disk() -> Check:
    folder = from_environment(WorkSettings).work_dir
    existing = next(parent for parent in [folder, *folder.parents] if parent.exists())
    gigabytes = shutil.disk_usage(existing).free / 1e9
    message = f"{gigabytes:.1f} GB free for {folder}"
    if gigabytes < MIN_DISK_GB:
        return _check("disk", "warning", message, f"free {MIN_DISK_GB} GB, or set NASFLOW_WORK_DIR to another disk")
    return _check("disk", "ok", message)


def _trainer() -> Check:
    """In a process of its own, since importing super-gradients changes the process that does it."""
    command = [sys.executable, "-W", "ignore", "-c", _TRAINER_PROBE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path.cwd())
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        return _check("trainer", "warning", f"cannot train here: {reason}", "run `make setup`, or train elsewhere")
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    gpus = ", ".join(facts["gpus"]) or "no GPU"
    message = f"torch {facts['torch']}, super-gradients {facts['sg']}; trains on {facts['device']}; {gpus}"
    return _check("trainer", "ok", message)


def _store() -> Check:
    return _attempt("store", _probe_store, "set the NASFLOW_STORE_ variables as the README says")


def _probe_store() -> str:
    store = Store.from_environment()
    probe(store)
    return f"{store.uri('')} reads, writes, and keeps conditions"


def _server() -> Check:
    return _attempt("server", _ask_server, "start the server, or set PREFECT_API_URL; then `nasflow deploy`")


def _ask_server() -> str:
    from prefect.client.orchestration import get_client

    url = server_url()
    with asking_server(), get_client(sync_client=True) as client:
        if (problem := client.api_healthcheck()) is not None:
            raise no_answer(problem)
        client.read_deployment_by_name("retrain/retrain")
    return f"{url} answers, and has the retrain deployment"


def _roboflow() -> Check:
    if from_environment(RoboflowSettings).api_key.get_secret_value():
        return _check("roboflow", "ok", "an API key is set")
    return _check("roboflow", "warning", "no API key", "set ROBOFLOW_API_KEY, unless you use exports from disk")


def _attempt(name: str, action: Callable[[], str], remedy: str) -> Check:
    """A check that is ok with the text that the action returns, and an error with that of whatever it raises."""
    try:
        return _check(name, "ok", action())
    except Exception as error:  # noqa: BLE001, whatever a client raises is what is wrong
        return _check(name, "error", str(error).splitlines()[0] if str(error) else type(error).__name__, remedy)
