"""docs/reference.md says what the code does."""

from pathlib import Path

import pytest

from tasks.labeling.finding_kinds import FINDING_KINDS
from tests import reference

PAGE = Path(__file__).parents[2] / "docs" / "reference.md"


def test_the_page_is_what_the_code_says():
    assert PAGE.read_text("utf-8") == reference.page(), "run `make reference`"


@pytest.mark.parametrize("code", FINDING_KINDS)
def test_every_finding_has_an_anchor(code):
    assert f'<a id="{code}"></a>' in reference.page()


def test_the_default_work_folder_is_that_of_nobody_in_particular(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "`~/.cache/nasflow`" in reference.page()


@pytest.mark.parametrize(
    "line",
    [
        "| `NASFLOW_STORE_SECRET_ACCESS_KEY` | empty | Belongs to the access key id. |",
        "| `NASFLOW_DEVICES` | `1` | GPUs that share a training run. At least 1. |",
        "| 130 | Stopped by Ctrl-C. |",
        "| 5 | `NotLearning`: The loss is no finite number any more. |",
    ],
)
def test_the_page_has_settings_and_exit_codes(line):
    assert line in reference.page().splitlines()


def test_choices_and_limits_are_told():
    rows = {row.split(" | ")[0]: row for row in reference.page().splitlines()}
    assert "One of `bf16`, `fp16`, `fp32`." in rows["| `NASFLOW_PRECISION`"]
    assert "At least 3." in rows["| `NASFLOW_LEASE_SECONDS`"]
