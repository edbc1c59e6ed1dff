"""When a step is tried again, and after how long. The one predicate and the shared delays."""

from typing import Any

from tasks.errors import TransientError

RETRY_DELAYS: list[float] = [2, 10, 60]
"""Seconds before each further attempt of a task; jitter is added by Prefect."""


def retry_if_transient(task: Any, task_run: Any, state: Any) -> bool:
    """Prefect's ``retry_condition_fn``: say whether a failed task run may succeed when tried again."""
    return isinstance(state.result(raise_on_failure=False), TransientError)
