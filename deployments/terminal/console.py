"""What the command prints: one JSON document for programs, tables and progress bars for people.

Results go to stdout, everything else to stderr, so that with ``--json`` stdout holds the document alone.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

out = Console(highlight=False, emoji=False)
# Decided here, since rich takes FORCE_COLOR, which CI sets, for a terminal whose cursor can be moved.
err = Console(stderr=True, force_terminal=sys.stderr.isatty(), highlight=False, emoji=False)
_document_printed = False


def say(message: str) -> None:
    """Print a line for people on stderr."""
    err.print(message, markup=False, soft_wrap=True)


def line(content: str) -> None:
    """Print a line for people on stdout; on a narrow terminal it goes on in the next row."""
    out.print(content, markup=False, soft_wrap=True)


def text(content: str) -> None:
    """Print a text on stdout as it is."""
    sys.stdout.write(content)
    sys.stdout.flush()


def document(content: dict[str, Any]) -> None:
    """Print the JSON document on stdout. A second one, about a later error, is left out."""
    global _document_printed
    if _document_printed:
        return
    _document_printed = True
    print(json.dumps(content, ensure_ascii=False, indent=2, default=str), flush=True)  # noqa: T201


class Bar:
    """A progress bar with a text beside it."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def show(self, done: float, total: float, text: str) -> None:
        """Move the bar.

        Args:
            done: How much is done.
            total: How much there is to do, in the same unit.
            text: Text beside the bar.
        """
        self._progress.update(self._task, completed=done, total=total, description=text)


@contextmanager
def progress_bar(text: str) -> Iterator[Bar]:
    """Show a progress bar on stderr until the end of the block; nothing is shown where stderr is no terminal."""
    columns = [TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = Bar(progress)
        bar.show(0, 1, text)
        yield bar


def time_left(seconds: float) -> str:
    """Words for the remaining time, such as ``0:02:10 left``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} left"


def show_on(show: Callable[[float, float, str], None]) -> Callable[[int, int], None]:
    """A function that shows images done and the time left."""
    start = time.monotonic()

    def on_image(done: int, count: int) -> None:
        count = max(done, count)
        left = (time.monotonic() - start) / done * (count - done)
        show(done, count, f"{done} of {count} images, {time_left(left)}")

    return on_image
