"""What people see while a trainer works: a table of epochs and two bars on a terminal, a plain line an epoch elsewhere.

Both take the events of the trainer in their order.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deployments.terminal.console import err
from deployments.terminal.run_progress import RunProgress, messages_of, printable
from tasks.records import EpochResult, Split, SplitCounts, TrainingSpec
from tasks.training.contract.events import EpochDone, Event, Finished, Started

MAX_ROWS = 10
"""Epochs in the table; fewer on a terminal with few lines."""
OTHER_LINES = 10
"""Lines around them: header, bars, the table's head, the best epoch's row, and one for the cursor."""
WIDE = 78
"""Columns that the whole table takes; a narrower terminal gets the most important part of it."""


class Column(NamedTuple):
    """A number that each epoch has."""

    title: str
    value: Callable[[EpochResult], float]
    format: str
    always: bool
    """Whether it is shown on narrow terminals, too."""

    def of(self, epoch: EpochResult) -> str:
        """The number as text."""
        return format(self.value(epoch), self.format)


COLUMNS = (
    Column("loss", lambda epoch: epoch.losses["total"], ".3f", always=True),
    Column("valid loss", lambda epoch: epoch.valid_losses["total"], ".3f", always=False),
    Column("mAP", lambda epoch: epoch.map, ".3f", always=True),
    Column("mAP50", lambda epoch: epoch.map50, ".3f", always=True),
    Column("precision", lambda epoch: epoch.precision, ".3f", always=False),
    Column("recall", lambda epoch: epoch.recall, ".3f", always=False),
    Column("lr", lambda epoch: epoch.lr, ".2e", always=False),
    Column("seconds", lambda epoch: epoch.seconds, ".1f", always=True),
)


class PlainView:
    """One line an epoch, for pipes and CI."""

    def __init__(self, progress: RunProgress, console: Console) -> None:
        self._progress = progress
        self._console = console

    def show(self, event: Event) -> None:
        """Print a line if the event is worth one."""
        self._progress.update(event)
        if isinstance(event, Started):
            done = self._progress.epochs_done
            self._print(self._progress.header + (f", going on after epoch {done}" if done else ""))
        elif isinstance(event, EpochDone):
            self._print(self._epoch_line(event))
        elif isinstance(event, Finished) and self._progress.remaining not in (None, "done"):
            self._print(str(self._progress.remaining))
        for message in messages_of(event):
            self._print(message)

    def _epoch_line(self, epoch: EpochDone) -> str:
        progress = self._progress
        numbers = [f"{column.title} {column.of(epoch)}" for column in COLUMNS]
        best = "best so far" if progress.best_epoch == epoch.epoch else None
        parts = [*numbers, progress.remaining, progress.peak_memory, best]
        return f"epoch {epoch.epoch} of {epoch.epochs}: {', '.join(part for part in parts if part)}"

    def _print(self, line: str) -> None:
        # soft_wrap: a line for a program stays one line, however narrow the console thinks it is.
        self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


class LiveView:
    """Header, bars and table, drawn again at every event; messages go above them."""

    def __init__(self, progress: RunProgress, console: Console) -> None:
        self._progress = progress
        self._console = console
        # The trainer sends a tick every second, so no thread has to draw. stdout is kept for the JSON document.
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, get_renderable=self._render)

    def __enter__(self) -> "LiveView":
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Draw what the event changes."""
        self._progress.update(event)
        for message in messages_of(event):
            self._console.print(Text(printable(message)))
        self._live.refresh()

    def _render(self) -> Group:
        parts: list[RenderableType] = [Text(self._progress.header, style="bold"), self._bars()]
        if self._progress.epochs:
            parts += [Text(), self._table()]
        return Group(*parts)

    def _bars(self) -> Table:
        progress = self._progress
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(ratio=1, min_width=4)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_column(overflow="fold")
        done, total = progress.epochs_done, progress.spec.epochs
        steps = progress.steps
        part = steps[0] / steps[1] if steps else 0.0
        epochs_bar = ProgressBar(total=total, completed=done + part)
        _add_row(grid, "epochs", epochs_bar, f"{done}/{total}", [progress.remaining, progress.peak_memory])
        if steps:
            step, count = steps
            steps_bar = ProgressBar(total=count, completed=step)
            _add_row(grid, f"epoch {done + 1}", steps_bar, f"{step}/{count}", progress.pace)
        return grid

    def _table(self) -> Table:
        progress, size = self._progress, self._console.size
        columns = [column for column in COLUMNS if column.always or size.width >= WIDE]
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, header_style="bold")
        for title in ("epoch", *(column.title for column in columns)):
            table.add_column(title, justify="right", no_wrap=True)
        rows = max(1, min(MAX_ROWS, size.height - OTHER_LINES))
        latest = progress.epochs[-rows:]
        # The best epoch is shown even when it is not among the latest.
        earlier = [epoch for epoch in progress.epochs[:-rows] if epoch.epoch == progress.best_epoch]
        for epoch in earlier + latest:
            best = epoch.epoch == progress.best_epoch
            number = f"{'* ' if best else ''}{epoch.epoch}"  # ASCII, for terminals with no stars
            table.add_row(number, *(column.of(epoch) for column in columns), style="bold green" if best else None)
        table.caption = Text("* best epoch", justify="left")
        return table


def _add_row(grid: Table, title: str, bar: ProgressBar, count: str, notes: Sequence[str | None]) -> None:
    grid.add_row(Text(title), bar, Text(count), Text(", ".join(note for note in notes if note)))


@contextmanager
def training_view(
    spec: TrainingSpec, splits: Mapping[Split, SplitCounts], console: Console = err
) -> Iterator[LiveView | PlainView]:
    """Show a run until the end of the block; what it shows then stays on the screen.

    Args:
        spec: Spec of the run.
        splits: Counts of the images, by split.
        console: Where it is shown, stderr by default.

    Yields:
        The view, to be given each event: a live one on a terminal, a plain one elsewhere.
    """
    progress = RunProgress(spec, splits)
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainView(progress, console)
        return
    with LiveView(progress, console) as view:
        yield view
