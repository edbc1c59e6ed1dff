"""Threads beside the main one."""

import contextvars
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def in_context(work: Callable[P, R]) -> Callable[P, R]:
    """Bind work for another thread to the context of this one.

    Prefect finds by the context to which flow run a log line belongs.

    Args:
        work: What the other thread, or several at once, will call.

    Returns:
        The same, each call in a copy of the context that this thread has now.
    """
    context = contextvars.copy_context()

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return context.copy().run(work, *args, **kwargs)

    return call
