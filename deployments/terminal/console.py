"""What the command shows: one JSON document for programs, tables and progress bars for people.

People's output goes to stderr, except for the result itself, so that ``--json`` leaves stdout to the document.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, emoji=False)
# Asked here, since rich takes FORCE_COLOR, which CI sets, for a terminal whose cursor can be moved.
err = Console(stderr=True, force_terminal=sys.stderr.isatty(), highlight=False, emoji=False)
_documented = False


def say(message: str) -> None:
    """Tell a person what is going on."""
    err.print(message, markup=False, soft_wrap=True)


def document(content: dict[str, Any]) -> None:
    """The one JSON document on stdout; a second one, about an error after it, is left out."""
    global _documented
    if _documented:
        return
    _documented = True
    print(json.dumps(content, ensure_ascii=False, indent=2, default=str), flush=True)  # noqa: T201


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str | None = None) -> None:
    """A table; numbers to the right, nothing of it read as markup."""
    if title:
        out.print(Text(title), soft_wrap=True)
    shown = Table(header_style="bold")
    for index, name in enumerate(columns):
        numbers = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        shown.add_column(Text(name), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        shown.add_row(*(_cell(value) for value in row))
    out.print(shown)


def _cell(value: object) -> Text:
    if value is None:
        return Text("\N{EN DASH}")
    return Text(f"{value:.3f}" if isinstance(value, float) else str(value))


class Bar:
    """A progress bar that can be given another text."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=None)

    def show(self, done: float, total: float, text: str) -> None:
        """Move to ``done`` of ``total``."""
        self._progress.update(self._task, completed=done, total=total, description=text)


@contextmanager
def progress_bar(text: str) -> Iterator[Bar]:
    """A progress bar on stderr for as long as the block runs; plain silence where stderr is no terminal."""
    columns = [TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()]
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = Bar(progress)
        bar.show(0, 1, text)
        yield bar


def time_left(seconds: float) -> str:
    """Such as ``0:02:10 left``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d} left"
