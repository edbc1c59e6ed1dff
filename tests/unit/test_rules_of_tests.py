"""The rules of the tests themselves: assertions that always count, and projects of end-to-end tests of their own."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

TESTS = Path(__file__).parents[1]
TESTED = ("unit", "integration", "gpu", "e2e", "browser")
PROJECT_AT = {"retrain": 2, "start_long_run": 2}
"""Helpers of end-to-end tests that take a project, and its place among their arguments."""


def files_with_tests() -> Iterator[tuple[Path, ast.Module]]:
    for folder in TESTED:
        for path in sorted((TESTS / folder).glob("*.py")):
            yield path, ast.parse(path.read_text("utf-8"))


def text_of(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def projects_of(tree: ast.Module) -> set[str]:
    """Names of projects in a file: after ``--project``, in a request, of a schedule, and given to a helper."""
    found: set[str | None] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Dict):
            found |= {
                text_of(value) for key, value in zip(node.keys, node.values, strict=True) if text_of(key) == "project"
            }
        words = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.List) else []
        texts = [text_of(word) for word in words]
        found |= {name for word, name in pairwise(texts) if word == "--project"}
        if texts[:2] == ["schedule", "set"]:
            found.add(texts[2])
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PROJECT_AT:
            found.add(texts[PROJECT_AT[node.func.id]])
    return {name for name in found if name}


def test_no_assertion_depends_on_a_condition() -> None:
    """A branch that is never taken would hide it. What holds for some parameters is what another test says."""
    conditional = {
        f"{path.relative_to(TESTS)}:{assertion.lineno}"
        for path, tree in files_with_tests()
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If)
        for assertion in ast.walk(branch)
        if isinstance(assertion, ast.Assert)
    }
    assert sorted(conditional) == []


def test_end_to_end_tests_share_no_project() -> None:
    """They share a server and a store: a project that two files use would tie them to an order."""
    files_of = defaultdict(set)
    for path, tree in files_with_tests():
        if path.parent.name == "e2e":
            for project in projects_of(tree):
                files_of[project].add(path.name)
    assert len(files_of) > 15
    assert {project: files for project, files in files_of.items() if len(files) > 1} == {}
