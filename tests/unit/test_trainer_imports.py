"""Placeholders of packages that a trainer does not use, each in a fresh process whose import system they may change."""

import subprocess
import sys
from textwrap import indent

import pytest

from tasks.training.worker.runtime.imports import COMPILER, UNUSED


def python(code: str, *, given: str = "") -> subprocess.CompletedProcess[str]:
    first = f"from tasks.training.worker.runtime.imports import quick_imports\nwith quick_imports({given}):\n"
    command = [sys.executable, "-c", first + indent(code, "    ")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("package", [*UNUSED, COMPILER])
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
        "ImportError: matplotlib.pyplot.figure is not loaded in a trainer; see tasks.training.worker.runtime.imports\n"
    )


def test_without_a_compiler_a_function_is_left_as_it_is_and_nothing_breaks() -> None:
    done = python(
        f"import {COMPILER} as compiler\n"
        "print(compiler.disable(min, False, wrapping=False) is min, compiler.graph_break())\ncompiler.optimize()"
    )
    assert (done.stdout, done.returncode) == ("True None\n", 1)
    assert "torch._dynamo.optimize is not loaded in a trainer" in done.stderr


GPU = "sys.modules['torch'] = SimpleNamespace(cuda=SimpleNamespace(is_available=lambda: True))"


@pytest.mark.parametrize(("given", "first"), [("compiler=True", ""), ("", GPU)], ids=["asked for", "on a GPU"])
def test_the_compiler_is_there_where_it_is_needed(given: str, first: str) -> None:
    look = f"print([finder.find_spec({COMPILER!r}) for finder in sys.meta_path[:1]])"
    done = python(f"import sys\nfrom types import SimpleNamespace\n{first}\n{look}", given=given)
    assert (done.stdout, done.stderr) == ("[None]\n", "")


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
