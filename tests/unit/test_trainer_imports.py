"""Placeholders of packages that a trainer does not use, each in a fresh process whose import system they may change."""

import subprocess
import sys
from textwrap import indent

import pytest

from tasks.training.worker.imports import UNUSED


def python(code: str) -> subprocess.CompletedProcess[str]:
    code = "from tasks.training.worker.imports import quick_imports\nwith quick_imports():\n" + indent(code, "    ")
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", UNUSED)
def test_names_of_an_unused_package_can_be_imported_annotated_with_and_inherited_from(package: str) -> None:
    done = python(
        f"import {package}.deeper.still as still\n"
        f"from {package}.other import Base\n"
        "class Ours(Base):\n"
        "    def show(self, figure: still.Figure.part = still.DEFAULT) -> None: ...\n"
        "print(Ours.__mro__[1].__module__)"
    )
    assert (done.stdout, done.stderr) == (f"{package}.other\n", "")


def test_use_of_a_placeholder_says_what_it_is() -> None:
    done = python("import matplotlib.pyplot as plt\nplt.figure()")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "ImportError: matplotlib.pyplot.figure is not loaded in a trainer; see tasks.training.worker.imports\n"
    )


def test_other_packages_are_the_real_ones() -> None:
    done = python("import json.decoder, matplotlibrary")
    assert done.stderr.endswith("ModuleNotFoundError: No module named 'matplotlibrary'\n")


def test_garbage_is_looked_for_afterwards_even_if_an_import_failed() -> None:
    done = python(
        "import gc, sys\nprint(gc.isenabled(), gc.get_freeze_count() > 0)\nbefore = len(sys.meta_path)\n"
        "try:\n    with quick_imports(): import matplotlibrary\n"
        "except ImportError: print(gc.isenabled(), gc.get_freeze_count() > 0, len(sys.meta_path) - before)"
    )
    assert (done.stdout, done.stderr) == ("False False\nTrue True 0\n", "")
