"""Importing loads nothing heavy, each time in a fresh process; and nobody else ships packages of our names."""

import importlib.metadata
import json
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import deployments
import flows
import tasks

ROOT = Path(tasks.__file__).parents[1]
NASFLOW = str(Path(sys.executable).with_name("nasflow"))
HEAVY = {"prefect", "boto3", "botocore", "numpy", "PIL", "pydantic", "httpx"}
OURS = (deployments, flows, tasks)
DETECTION = (
    "tasks.detection", "deployments.offline.detect", "deployments.offline.image_inputs", "deployments.offline.suggest",
    "deployments.serving", "tasks.images.decoding",
)  # fmt: skip
"""Modules that load OpenCV and drawing; the command and the flow load them when they are used."""
TRAINER_ONLY = {"torch", "torchvision", "super_gradients", "lightning_fabric", "safetensors", "cv2", "matplotlib"}


def loaded_by(*modules: str) -> set[str]:
    """Top-level packages that a fresh process holds after importing modules."""
    code = f"import sys, json\nfor name in {modules!r}: __import__(name)\n"
    code += "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    command = [sys.executable, "-W", "ignore", "-c", code]
    process = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert process.returncode == 0, process.stderr
    return set(json.loads(process.stdout))


def modules_outside_the_trainer() -> list[str]:
    names = [
        module.name
        for package in OURS
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if not module.name.startswith(("tasks.training.worker", *DETECTION))
    ]
    assert len(names) > 40
    return names


@pytest.mark.parametrize(
    "module",
    [
        "flows.retrain",
        "flows.study",
        "flows.study_settings",
        "flows.train",
        "flows.evaluate",
        "flows.detect",
        "deployments.cli.main",
    ],
)
def test_flows_and_command_load_no_library_of_the_trainer(module):
    assert not loaded_by(module) & TRAINER_ONLY


def test_no_module_outside_the_trainer_loads_its_libraries():
    assert not loaded_by(*modules_outside_the_trainer()) & TRAINER_ONLY


def test_detection_loads_no_torch():
    names = [
        module.name
        for package in OURS
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if module.name.startswith(DETECTION)
    ]
    assert len(names) > 15
    assert not loaded_by(*names) & (TRAINER_ONLY - {"cv2", "matplotlib"})


def test_the_command_loads_libraries_only_for_the_verbs_that_need_them():
    loaded = loaded_by("deployments.cli.main")
    assert not loaded & HEAVY


def test_records_and_errors_load_no_heavy_library():
    assert not loaded_by("tasks.records", "tasks.errors") & {"prefect", "boto3", "numpy", "PIL", "pydantic_settings"}


def test_help_loads_nothing_heavy():
    command = [sys.executable, "-X", "importtime", NASFLOW, "--help"]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "train" in process.stdout
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in process.stderr.splitlines()}
    assert "deployments" in loaded
    assert not loaded & (HEAVY | TRAINER_ONLY)


@pytest.mark.parametrize("package", OURS)
def test_nobody_else_ships_our_package_names(package):
    assert set(importlib.metadata.packages_distributions()[package.__name__]) == {"nasflow"}


def test_pyproject_lists_every_package():
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    existing = {
        ".".join(init.parent.relative_to(ROOT).parts)
        for package in OURS
        for init in (ROOT / package.__name__).rglob("__init__.py")
    }
    assert sorted(listed) == sorted(existing)
    # A folder of modules without an __init__.py would be left out of the installed package.
    folders = {path.parent for package in OURS for path in (ROOT / package.__name__).rglob("*.py")}
    assert {".".join(folder.relative_to(ROOT).parts) for folder in folders} == existing
