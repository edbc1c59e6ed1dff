"""A recipe and a scoring give what they gave when they got their numbers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.numbers.gathered import gather
from tests.numbers.recorded import KINDS, about, differences


@pytest.mark.parametrize("name", KINDS)
def test_what_a_number_stands_for_is_as_it_was(name: str, tmp_path: Path) -> None:
    """If this fails, its message says what to do. What it cannot see is told in ``tests/numbers/__init__.py``."""
    values = json.loads(json.dumps(gather(name, tmp_path)))
    assert (problem := KINDS[name].problem(values)) is None, problem


def test_the_message_says_in_a_line_what_to_do() -> None:
    for kind in KINDS.values():
        _, values = kind.read()
        assert kind.problem(values) is None
        problem = kind.problem({**values, "boxes": []}) or ""
        assert (
            f"raise {kind.constant} by one, say in {kind.page} what changed, and run python -m tests.numbers" in problem
        )
        assert "Differing: boxes: " in problem
        assert "\n" not in problem
        raised = replace(kind, number=kind.number + 1).problem(values)
        assert raised == (
            f"{kind.name}.json holds {kind.name} {kind.number}, and it is {kind.number + 1} now: "
            "run python -m tests.numbers"
        )


def test_differences_are_named_with_both_values() -> None:
    recorded = {"a": {"rates": [0.1, 0.2]}, "b": [1, 2], "c": "x", "d": about(100, 1), "e": None}
    assert differences(recorded, {**recorded, "new": 3}) == []
    now = {"a": {"rates": [0.1, 0.201]}, "b": [1], "c": "y", "d": about(102, 1), "e": 0}
    assert differences(recorded, now) == [
        "a.rates[1]: 0.2 recorded, 0.201 now", "b: [1, 2] recorded, [1] now", "c: x recorded, y now",
        "d: 100.0 recorded, 102.0 now", "e: None recorded, 0 now",
    ]  # fmt: skip


def test_rounding_of_another_processor_is_no_difference() -> None:
    assert differences({"a": 0.5, "d": about(100, 1)}, {"a": 0.5 * (1 + 5e-5), "d": about(100.9, 1)}) == []
    assert differences({"a": 0.5}, {"a": 0.5 * (1 + 2e-4)}) != []
    assert differences({"a": 5}, {"a": 5.0001}) != []
