"""Calls at the same moment, in threads."""

import contextvars
import threading
from collections.abc import Callable
from typing import Any

from tasks.errors import LostRace


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls at the same moment; their results, or the LostRace that one raised, in order.

    Any other error is raised here.
    """
    barrier, results = threading.Barrier(len(calls)), list[Any]([None] * len(calls))
    errors: list[BaseException] = []

    def run(at: int, call: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results[at] = call()
        except LostRace as error:
            results[at] = error
        except BaseException as error:  # noqa: BLE001 - raised again below, where pytest sees it
            errors.append(error)

    # Prefect keeps its settings in the context, which a thread does not inherit.
    threads = [threading.Thread(target=contextvars.copy_context().run, args=(run, *one)) for one in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return results
