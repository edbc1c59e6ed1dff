"""The rules of the house: sizes, parameters, documentation, and one word for one thing."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

import tasks
from tasks import errors

ROOT = Path(tasks.__file__).parents[1]
PACKAGES = ("deployments", "flows", "tasks")
MAX_MODULE_LINES, MAX_MEDIAN_MODULE_LINES = 350, 120
MAX_FUNCTION_LINES = 50
"""A screen."""
MAX_PARAMETERS = 6
DOCUMENTED_PARAMETERS = 3
"""From so many parameters on, the docstring of a public function lists them."""
OLD_WORDS = {
    "picture": "image", "photo": "image", "team": "process group", "keeper": "checkpointer", "learner": "training step",
    "learnt": "trainable", "leaves": "parameters", "favour": "threshold_for", "suspect": "suspected error",
    "suspects": "suspected errors", "alike": "near duplicate", "hear": "on_event", "telling": "progress",
    "board": "progress", "pat": "heartbeat", "averages": "ema", "most": "max", "least": "min",
}  # fmt: skip
KEPT_NAMES = {"most_common"}
"""Names of other libraries."""
PLAIN_ENGLISH = {"leaves", "most", "least"}
"""Old words that the sentence of a test's name may use in their plain sense."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def all_code() -> list[Path]:
    return modules() + sorted((ROOT / "tests").rglob("*.py"))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def functions_of(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(parsed(path)) if isinstance(node, Function))


def place(path: Path, node: Function) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def parameters_of(function: Function) -> list[str]:
    given = function.args
    names = [one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return [name for name in names if name not in ("self", "cls")]


def public_functions(path: Path) -> Iterator[Function]:
    """Of a module: its public functions and the public methods of its public classes."""
    for node in parsed(path).body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from (part for part in node.body if isinstance(part, Function) and not part.name.startswith("_"))


def returns_a_value(function: Function) -> bool:
    return not (function.returns is None or ast.unparse(function.returns) in ("None", "NoReturn"))


def own_raises(function: Function) -> set[str]:
    """Errors that a function raises by name in its own body."""
    raised = (node.exc for node in ast.walk(function) if isinstance(node, ast.Raise))
    names = (ast.unparse(one.func) for one in raised if isinstance(one, ast.Call))
    return {name for name in names if name in vars(errors)}


def words_of(name: str) -> list[str]:
    return re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower())


def identifiers_of(path: Path) -> set[str]:
    names = {path.stem}
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.arg):
            names.add(node.arg)
        elif isinstance(node, Function | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.keyword) and node.arg:
            names.add(node.arg)
    return names - KEPT_NAMES


def test_no_module_is_longer_than_350_lines_and_half_of_them_have_120_at_most():
    sizes = {path: len(path.read_text("utf-8").splitlines()) for path in modules() if path.stem != "__init__"}
    assert {str(path.relative_to(ROOT)): size for path, size in sizes.items() if size > MAX_MODULE_LINES} == {}
    assert median(sizes.values()) <= MAX_MEDIAN_MODULE_LINES


def test_every_function_fits_on_a_screen():
    long = {
        place(path, function): function.end_lineno - function.lineno + 1
        for path in modules()
        for function in functions_of(path)
    }
    assert {name: size for name, size in long.items() if size > MAX_FUNCTION_LINES} == {}


def test_no_function_takes_more_than_six_parameters():
    many = {place(path, function): parameters_of(function) for path in modules() for function in functions_of(path)}
    assert {name: len(names) for name, names in many.items() if len(names) > MAX_PARAMETERS} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_function_is_documented(package):
    """What it does; with several parameters, each of them and what comes back; and the errors that it raises itself."""
    faults = []
    for path in sorted((ROOT / package).rglob("*.py")):
        for function in public_functions(path):
            text = ast.get_docstring(function) or ""
            names = parameters_of(function)
            if not text:
                faults.append(f"{place(path, function)}: no docstring")
            if len(names) >= DOCUMENTED_PARAMETERS:
                missing = [name for name in names if not re.search(rf"^ +{name}: ", text, re.MULTILINE)]
                faults += [f"{place(path, function)}: Args without {name}" for name in missing]
                if returns_a_value(function) and not re.search(r"^(Returns|Yields):$", text, re.MULTILINE):
                    faults.append(f"{place(path, function)}: no Returns")
            unsaid = {name for name in own_raises(function) if name not in text}
            faults += [f"{place(path, function)}: Raises without {name}" for name in unsaid]
    assert faults == []


def test_identifiers_use_the_words_of_the_field():
    found = {
        f"{path.relative_to(ROOT)}: {name}": OLD_WORDS[word]
        for path in all_code()
        if path != Path(__file__)
        for name in identifiers_of(path)
        for word in words_of(name)
        if word in OLD_WORDS and not (name.startswith("test_") and word in PLAIN_ENGLISH)
    }
    assert found == {}
