"""What people see of a flow run that is followed: a bar on a terminal, a plain line a step elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from deployments.terminal.console import err, progress_bar, say
from deployments.terminal.run_progress import printable

LINE_SECONDS = 60.0
"""A step that goes on is told of once in this time, if it has moved."""


class StepLines:
    """Prints a line when a step begins, and then now and then how far it is.

    Args:
        print_line: Prints a line.
        now: Seconds of a clock that never goes back.
    """

    def __init__(self, print_line: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._print = print_line
        self._now = now
        self._begun: set[str] = set()
        self._last = ""
        self._due = 0.0

    def show(self, done: float, total: float, text: str) -> None:
        """Take how far a run is.

        Args:
            done: How much is done.
            total: How much there is to do, in the same unit.
            text: What is done, such as ``train on a GPU worker: epoch 3 of 7``; the step stands before the colon.
        """
        step, _, rest = text.partition(": ")
        content = f"{step}: {100 * done / total:.0f} %, {rest}" if done else text
        goes_on = step in self._begun and (content == self._last or self._now() < self._due)
        if goes_on:
            return
        self._begun.add(step)
        self._last, self._due = content, self._now() + LINE_SECONDS
        self._print(printable(content))


@contextmanager
def followed(name: str) -> Iterator[Callable[[float, float, str], None]]:
    """Show on stderr how far a flow run is, until the end of the block.

    Args:
        name: Name of the run.

    Yields:
        A function that takes how much is done, of how much, and a text.
    """
    if not err.is_terminal:
        yield StepLines(say).show
        return
    with progress_bar(name) as bar:
        yield bar.show
