"""Tables for people on stdout, whose names, ids and paths can be copied: words are never broken."""

import os
import re
import sys
from collections.abc import Sequence
from typing import NamedTuple

from rich.cells import cell_len
from rich.console import JustifyMethod
from rich.table import Table
from rich.text import Text

from deployments.terminal.console import line, out, say

Rows = Sequence[Sequence[object]]


def table(columns: Sequence[str], rows: Rows, title: str | None = None, *, optional: Sequence[str] = ()) -> None:
    """Print a table on stdout. Numbers are aligned to the right, and markup in cells is not interpreted.

    On a terminal that is too narrow for it, cells are wrapped between words; if that is not enough, columns are left
    out, which is said, and at last each row is printed as lines. In a pipe, lines are as long as need be.

    Args:
        columns: Names of the columns.
        rows: A cell for each column; None is shown as a dash.
        title: Line above it, or None for no line.
        optional: Columns that may be left out, the least important first.
    """
    if title:
        out.print(Text(title), soft_wrap=True)
    drawn = [_column(name, [row[index] for row in rows]) for index, name in enumerate(columns)]
    for count in range(len(optional) + 1):
        left_out = optional[:count]
        shown = [column for column in drawn if column.name not in left_out]
        if (room := _room() - sum(column.narrowest for column in shown) - _borders(shown)) >= 0:
            _print_table(shown, room)
            if left_out:
                say(f"left out, since the terminal is narrow: {', '.join(left_out)}; --json has all")
            return
    _print_lines(drawn)


class Column(NamedTuple):
    """A column, with the widths that its words need and that all of its text would need."""

    name: str
    cells: list[str]
    numbers: bool
    narrowest: int
    widest: int


def _column(name: str, values: Sequence[object]) -> Column:
    cells = [_cell(value) for value in values]
    words = [
        word for text in (name, *cells) for word in re.findall(r"^\s*\S+|\S+", text)
    ]  # an indent belongs to its word
    lines = [part for text in (name, *cells) for part in text.splitlines()]
    return Column(
        name,
        cells,
        bool(values) and all(isinstance(value, int | float) for value in values),
        max(map(cell_len, words), default=0),
        max(map(cell_len, lines), default=0),
    )


def _room() -> int:
    """Width that a line may have: that of the terminal, or what COLUMNS says; in a pipe any."""
    return out.width if sys.stdout.isatty() or "COLUMNS" in os.environ else sys.maxsize


def _borders(shown: Sequence[Column]) -> int:
    """Width of what stands between the columns: a line at each side, and a space on both sides of a cell."""
    return 1 + 3 * len(shown)


def _print_table(shown: Sequence[Column], room: int) -> None:
    """Print a table whose columns share the room that is left when each is as narrow as its words."""
    drawn = Table(header_style="bold")
    for column, width in zip(shown, _widths(shown, room), strict=True):
        justify: JustifyMethod = "right" if column.numbers else "left"
        drawn.add_column(Text(column.name), justify=justify, width=width)
    for row in zip(*(column.cells for column in shown), strict=True):
        drawn.add_row(*map(Text, row))
    drawn.width = _borders(shown) + sum(column.width or 0 for column in drawn.columns)
    out.print(drawn, crop=False)


def _widths(shown: Sequence[Column], room: int) -> list[int]:
    """Widths of columns: those that need least beyond their words get it, so that names stay in one line."""
    widths = [column.narrowest for column in shown]
    needs = sorted((column.widest - column.narrowest, index) for index, column in enumerate(shown))
    for place, (need, index) in enumerate(needs):
        extra = min(need, room // (len(shown) - place))
        widths[index] += extra
        room -= extra
    return widths


def _print_lines(columns: Sequence[Column]) -> None:
    """Print a line for each row of a name and a value, and of other rows a paragraph each; the terminal wraps them."""
    for number, row in enumerate(zip(*(column.cells for column in columns), strict=True)):
        if len(columns) == 2:
            lines = [": ".join(row)]
        else:
            named = [
                f"{column.name}: {cell}" if column.name else cell for column, cell in zip(columns, row, strict=True)
            ]
            lines = ["", *named] if number else named
        for content in lines:
            line(content)


def _cell(value: object) -> str:
    if value is None:
        return "\N{EN DASH}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
