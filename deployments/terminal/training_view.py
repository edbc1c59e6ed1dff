"""What people see while a trainer works: a table of epochs and two bars on a terminal, a plain line an epoch elsewhere.

Both are fed with the trainer's events, in their order, and take no notice of those they do not know. Fields that an
event lacks are left out, so that a view also follows an older or newer trainer.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from deployments.terminal.console import err, time_left
from tasks.records import Split, SplitCounts, TrainingSpec
from tasks.training.launch import Event

MAX_ROWS = 10
"""Epochs in the table; fewer where the terminal is low."""
OTHER_LINES = 10
"""Lines around them: header, bars, the table's head, the best epoch's row, and one for the cursor."""
WIDE = 78
"""Columns that the whole table takes; a narrower terminal gets the most important part of it."""
UNKNOWN = "-"


class Column(NamedTuple):
    """A number that each epoch has."""

    title: str
    path: tuple[str, ...]
    format: str
    always: bool
    """Whether narrow terminals have room for it, too."""

    def of(self, epoch: Event) -> str:
        """The number as text."""
        value: object = epoch
        for name in self.path:
            value = value.get(name) if isinstance(value, Mapping) else None
        return UNKNOWN if value is None else format(value, self.format)


COLUMNS = (
    Column("loss", ("losses", "total"), ".3f", always=True),
    Column("valid loss", ("valid_losses", "total"), ".3f", always=False),
    Column("mAP", ("map",), ".3f", always=True),
    Column("mAP50", ("map50",), ".3f", always=True),
    Column("precision", ("precision",), ".3f", always=False),
    Column("recall", ("recall",), ".3f", always=False),
    Column("lr", ("lr",), ".2e", always=False),
    Column("seconds", ("seconds",), ".1f", always=True),
)


class RunFacts:
    """What the events have told of a run so far."""

    def __init__(self, spec: TrainingSpec, splits: Mapping[Split, SplitCounts]) -> None:
        self.spec = spec
        self.splits = splits
        self.started: Event = {}
        self.epochs: list[Event] = []
        self.best_epoch: int | None = None
        self.step: Event = {}
        self.seconds_left: float | None = None
        self.peak_memory_bytes: int | None = None
        self.ended: str | None = None
        self.still_rising = False

    def take(self, event: Event) -> None:
        """Remember what an event tells."""
        kind = event["event"]
        if kind in ("plan", "started"):
            # From these alone: an epoch's `precision` is a score, no number format.
            self.started.update(event)
        if kind == "started":
            self.epochs = list(event.get("history") or [])
            self.best_epoch = event.get("best_epoch")
            self.step = {}
        elif kind == "step":
            self.step = event
        elif kind == "epoch":
            self.epochs.append(event)
            self.best_epoch = event.get("best_epoch")
        elif kind == "finished":
            self.ended = event.get("ended", "epochs")
            self.still_rising = event.get("still_rising", False)
            self.started.setdefault("device", event.get("device"))
        self.seconds_left = event.get("seconds_left", self.seconds_left)
        self.peak_memory_bytes = event.get("peak_memory_bytes", self.peak_memory_bytes)

    @property
    def epochs_done(self) -> int:
        """Whole epochs, those before a resumption included."""
        return int(self.epochs[-1]["epoch"]) if self.epochs else 0

    @property
    def steps(self) -> tuple[int, int] | None:
        """Steps done of the epoch under way, and how many it has; None before the start and after the end."""
        if self.ended:
            return None
        if self.step and self.step["epoch"] > self.epochs_done:
            return self.step["step"], self.step["steps"]
        total = self.started.get("steps_per_epoch")
        return (0, total) if total else None

    @property
    def pace(self) -> list[str | None]:
        """Speed and loss of the latest step."""
        if not self.step:
            return []
        speed, loss = self.step.get("images_per_second"), self.step.get("loss")
        return [
            None if speed is None else f"{speed:.1f} images/s",
            "loss not finite" if loss is None else f"loss {loss:.3f}",
        ]

    @property
    def header(self) -> str:
        """Variant, device, precision, batch and images, such as ``YOLO-NAS S, cuda bf16-mixed, batch 8, …``."""
        device = self.started.get("device") or "starting the trainer"
        precision = self.started.get("precision")
        if precision and precision not in device:
            device = f"{device} {precision}"
        counts = ", ".join(f"{counts.images} {split}" for split, counts in self.splits.items())
        size = self.spec.image_size
        return f"YOLO-NAS {self.spec.variant.upper()}, {device}, {self._batch}, {size} px, images: {counts}"

    @property
    def _batch(self) -> str:
        batch = self.started.get("batch_size") or self.spec.batch_size
        micro = self.started.get("micro_batch") or batch
        return f"batch {batch}" if micro == batch else f"batch {batch} ({micro} at a time)"

    @property
    def peak_memory(self) -> str | None:
        """Such as ``peak memory 1.2 GiB``."""
        return None if self.peak_memory_bytes is None else f"peak memory {self.peak_memory_bytes / 2**30:.1f} GiB"

    @property
    def remaining(self) -> str | None:
        """Such as ``0:02:10 left``; after the end, why it ended."""
        if self.ended == "patience":
            return f"ended, no better mAP for {self.spec.patience} epochs"
        if self.ended:
            return "done; mAP was still rising, more epochs may help" if self.still_rising else "done"
        return None if self.seconds_left is None else time_left(self.seconds_left)


def messages_of(event: Event) -> list[str]:
    """What an event says in words: log lines, and what a run has too little of."""
    if event["event"] == "log":
        return [event["message"]]
    return [f"warning: {shortage}" for shortage in event.get("shortages") or []] if event["event"] == "plan" else []


def printable(message: str) -> str:
    """A message on one line, without the codes that file and tensor names may bring into it."""
    return "".join(character if character.isprintable() else " " for character in message)


class PlainView:
    """One line an epoch, for pipes and CI."""

    def __init__(self, facts: RunFacts, console: Console) -> None:
        self._facts = facts
        self._console = console

    def show(self, event: Event) -> None:
        """Print what is worth a line."""
        self._facts.take(event)
        if event["event"] == "started":
            done = self._facts.epochs_done
            self._print(self._facts.header + (f", going on after epoch {done}" if done else ""))
        elif event["event"] == "epoch":
            self._print(self._epoch_line(event))
        elif event["event"] == "finished" and self._facts.remaining not in (None, "done"):
            self._print(str(self._facts.remaining))
        for message in messages_of(event):
            self._print(message)

    def _epoch_line(self, epoch: Event) -> str:
        facts = self._facts
        numbers = [f"{column.title} {column.of(epoch)}" for column in COLUMNS]
        best = "best so far" if facts.best_epoch == epoch["epoch"] else None
        parts = [*numbers, facts.remaining, facts.peak_memory, best]
        total = epoch.get("epochs", facts.spec.epochs)
        return f"epoch {epoch['epoch']} of {total}: {', '.join(part for part in parts if part)}"

    def _print(self, line: str) -> None:
        # soft_wrap: a line for a program stays one line, however narrow the console thinks it is.
        self._console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


class LiveView:
    """Header, bars and table, drawn again at every event; messages go above them."""

    def __init__(self, facts: RunFacts, console: Console) -> None:
        self._facts = facts
        self._console = console
        # The trainer's ticks come every second, so no thread has to draw. stdout is the document's, never ours.
        self._live = Live(console=console, auto_refresh=False, redirect_stdout=False, get_renderable=self._render)

    def __enter__(self) -> "LiveView":
        self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def show(self, event: Event) -> None:
        """Draw what the event changes."""
        self._facts.take(event)
        for message in messages_of(event):
            self._console.print(Text(printable(message)))
        self._live.refresh()

    def _render(self) -> Group:
        parts: list[RenderableType] = [Text(self._facts.header, style="bold"), self._bars()]
        if self._facts.epochs:
            parts += [Text(), self._table()]
        return Group(*parts)

    def _bars(self) -> Table:
        facts = self._facts
        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(ratio=1, min_width=4)
        grid.add_column(no_wrap=True, justify="right")
        grid.add_column(overflow="fold")
        done, total = facts.epochs_done, facts.started.get("epochs", facts.spec.epochs)
        steps = facts.steps
        part = steps[0] / steps[1] if steps else 0.0
        _add_bar(grid, "epochs", done, total, [facts.remaining, facts.peak_memory], part)
        if steps:
            _add_bar(grid, f"epoch {done + 1}", *steps, facts.pace)
        return grid

    def _table(self) -> Table:
        facts, size = self._facts, self._console.size
        columns = [column for column in COLUMNS if column.always or size.width >= WIDE]
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, collapse_padding=True, header_style="bold")
        for title in ("epoch", *(column.title for column in columns)):
            table.add_column(title, justify="right", no_wrap=True)
        rows = max(1, min(MAX_ROWS, size.height - OTHER_LINES))
        latest = facts.epochs[-rows:]
        # The best one stays in sight after it has left the latest.
        earlier = [epoch for epoch in facts.epochs[:-rows] if epoch["epoch"] == facts.best_epoch]
        for epoch in earlier + latest:
            best = epoch["epoch"] == facts.best_epoch
            number = f"{'* ' if best else ''}{epoch['epoch']}"  # ASCII, for terminals with no stars
            table.add_row(number, *(column.of(epoch) for column in columns), style="bold green" if best else None)
        table.caption = Text("* best epoch", justify="left")
        return table


def _add_bar(grid: Table, title: str, done: int, total: int, notes: list[str | None], part: float = 0.0) -> None:
    """A row: title, bar, how many of how many, notes. ``part`` is what is done of the next one."""
    bar = ProgressBar(total=total, completed=done + part)
    grid.add_row(Text(title), bar, Text(f"{done}/{total}"), Text(", ".join(note for note in notes if note)))


@contextmanager
def training_view(
    spec: TrainingSpec, splits: Mapping[Split, SplitCounts], console: Console = err
) -> Iterator[LiveView | PlainView]:
    """A view of a run for as long as the block runs, on stderr; what it stands at stays on the screen."""
    facts = RunFacts(spec, splits)
    if not console.is_terminal or console.is_dumb_terminal:
        yield PlainView(facts, console)
        return
    with LiveView(facts, console) as view:
        yield view
