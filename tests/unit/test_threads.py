"""Threads of the steps belong to their flow run."""

import re
from pathlib import Path

import pytest

import tasks

TASKS = Path(tasks.__file__).parent


@pytest.mark.parametrize("path", [path for path in sorted(TASKS.rglob("*.py")) if "worker" not in path.parts])
def test_whoever_starts_threads_gives_them_its_context(path):
    """Outside the trainer, which knows no Prefect, whoever starts threads uses ``in_context``."""
    text = path.read_text("utf-8")
    started = text.count("threading.Thread(") + text.count("with ThreadPoolExecutor(")
    assert started <= len(re.findall(r"[^.\w]in_context\(", text))
