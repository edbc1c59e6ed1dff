"""Importing does nothing and loads nothing heavy, each time in a fresh process; and the packages are ours alone."""

import importlib.metadata
import json
import pkgutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

import deployments
import flows
import tasks

ROOT = Path(tasks.__file__).parents[1]
NASFLOW = str(Path(sys.executable).with_name("nasflow"))
OURS = (deployments, flows, tasks)
TRAINER_ONLY = {"torch", "torchvision", "super_gradients", "lightning_fabric", "safetensors", "cv2", "matplotlib"}
HELP_SECONDS = 0.5


def loaded_by(*modules: str) -> set[str]:
    """Top-level packages that a fresh process holds after importing modules."""
    code = f"import sys, json\nfor name in {modules!r}: __import__(name)\n"
    code += "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def modules_outside_the_trainer() -> list[str]:
    found = [
        module.name
        for package in OURS
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not module.name.startswith("tasks.training.worker")
    ]
    assert len(found) > 40
    return found


@pytest.mark.parametrize(
    "module", ["flows.retrain", "flows.study", "flows.train", "flows.evaluate", "deployments.cli.main"]
)
def test_flows_and_command_load_nothing_of_the_trainer(module):
    assert not loaded_by(module) & TRAINER_ONLY


def test_no_module_outside_the_trainer_loads_anything_of_it():
    assert not loaded_by(*modules_outside_the_trainer()) & TRAINER_ONLY


def test_the_command_waits_with_what_only_some_verbs_need():
    loaded = loaded_by("deployments.cli.main")
    assert not loaded & {"prefect", "boto3", "botocore", "numpy", "PIL", "pydantic", "httpx"}


def test_records_and_errors_are_plain_data():
    assert not loaded_by("tasks.records", "tasks.errors") & {"prefect", "boto3", "numpy", "PIL", "pydantic_settings"}


def test_help_answers_at_once():
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        done = subprocess.run([NASFLOW, "--help"], capture_output=True, text=True, check=True)
        seconds.append(time.perf_counter() - began)
    assert "train" in done.stdout
    assert min(seconds) < HELP_SECONDS


@pytest.mark.parametrize("package", OURS)
def test_nobody_else_ships_our_package_names(package):
    assert set(importlib.metadata.packages_distributions()[package.__name__]) == {"nasflow"}


def test_pyproject_lists_every_package():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    there = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for package in OURS
        for init in (ROOT / package.__name__).rglob("__init__.py")
    }
    assert sorted(listed) == sorted(there)
    # A folder of modules without an __init__.py would be left out of the installed package.
    folders = {path.parent for package in OURS for path in (ROOT / package.__name__).rglob("*.py")}
    assert {".".join(folder.relative_to(ROOT).parts) for folder in folders} == there
