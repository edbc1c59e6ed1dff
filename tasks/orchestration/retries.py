"""How a step runs in Prefect: what it waits for, when it is retried, and that nothing is cached by its inputs."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

from tasks.errors import TransientError
from tasks.local.files import disk_full
from tasks.orchestration.run_watch import RunCancelled, check_run, report_cancelled, sleep
from tasks.orchestration.server_wait import wait_for_server
from tasks.outages import AN_HOUR, Patience, wait_out

P = ParamSpec("P")
R = TypeVar("R")

RETRY_DELAYS: list[float] = [2, 10, 60]
"""Seconds before each retry of a step that lost its worker or its lease."""


def retry_if_transient(task: Any, task_run: Any, state: Any) -> bool:
    """Prefect's ``retry_condition_fn``: say whether a failed task run may succeed when it is retried.

    Args:
        task: The task; not used.
        task_run: Its run; not used.
        state: The failed state, whose result is the exception.

    Returns:
        Whether the exception is a TransientError. One about a service that is away never comes so far.
    """
    return isinstance(state.result(raise_on_failure=False), TransientError)


def step(name: str, patience: Patience = AN_HOUR) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a function a task that waits while a service is away or the disk is full, and is retried when it was lost.

    Finished work is found by its digest in the store, so Prefect's own cache stays off.
    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        @wraps(function)
        def run(*args: P.args, **kwargs: P.kwargs) -> R:
            # Prefect gives PREFECT_LOGGING_EXTRA_LOGGERS a handler, but no level.
            logging.getLogger("tasks").setLevel(logging.INFO)
            try:
                check_run()
                try:
                    result = wait_out(lambda: _with_room(function, *args, **kwargs), patience=patience, sleep=sleep)
                except Exception:
                    wait_for_server()
                    raise
                wait_for_server()
            except RunCancelled:
                report_cancelled()
                raise
            return result

        return task(
            name=name,
            retries=len(RETRY_DELAYS),
            retry_delay_seconds=RETRY_DELAYS,
            retry_jitter_factor=0.5,
            retry_condition_fn=retry_if_transient,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(run)

    return decorate


def _with_room(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function, and say of an error of the disk whether it is full, which is waited for."""
    try:
        return function(*args, **kwargs)
    except OSError as error:
        if (full := disk_full(error)) is None:
            raise
        raise full from error
