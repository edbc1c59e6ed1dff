"""Placeholders of packages that a trainer does not use, each in a fresh process whose import system they may change."""

import subprocess
import sys

import pytest

from tasks.training.worker.unused import UNUSED

LEAVE_OUT = "from tasks.training.worker.unused import leave_out_unused\nleave_out_unused()\n"


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", LEAVE_OUT + code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", UNUSED)
def test_names_of_an_unused_package_can_be_imported_annotated_with_and_inherited_from(package: str) -> None:
    done = python(
        f"import {package}.deeper.still as still\n"
        f"from {package}.other import Base\n"
        "class Ours(Base):\n"
        "    def show(self, figure: still.Figure = still.DEFAULT) -> None: ...\n"
        "print(Ours.__mro__[1].__module__)"
    )
    assert (done.stdout, done.stderr) == (f"{package}.other\n", "")


def test_use_of_a_placeholder_says_what_it_is() -> None:
    done = python("import matplotlib.pyplot as plt\nplt.figure()")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "ImportError: matplotlib.pyplot.figure is not loaded in a trainer; see tasks.training.worker.unused\n"
    )


def test_other_packages_are_the_real_ones() -> None:
    done = python("import json.decoder, matplotlibrary")
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'matplotlibrary'\n")


def test_twice_is_once() -> None:
    done = python("import sys\nbefore = len(sys.meta_path)\nleave_out_unused()\nprint(len(sys.meta_path) - before)")
    assert done.stdout == "0\n"
