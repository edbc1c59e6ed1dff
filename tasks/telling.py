"""Progress where people look for it in Prefect: bars, tables and log lines.

A server that does not answer is no reason to stop work, so what cannot be told is logged and left.
"""

import logging
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, create_table_artifact, update_progress_artifact

from tasks.training.launch import Event

logger = logging.getLogger(__name__)

SECONDS_BETWEEN = 2.0
"""A bar moves, at most, this often."""
TABLE_SECONDS = 15.0
"""A table is written again, at most, this often."""


def tell_server(tell: Callable[[], Any]) -> Any:
    """Do something with Prefect's API; a failure is logged and gives None."""
    try:
        return tell()
    except Exception as error:  # noqa: BLE001, whatever the client raises, the work matters more
        logger.warning("not shown in Prefect: %s", error)
        return None


class ProgressBar:
    """One progress artifact of the task that runs."""

    def __init__(self, what: str, key: str | None = None) -> None:
        self._what = what
        self._key = key
        self._id: UUID | None = None
        self._next = 0.0

    def show(self, done: float, total: float, text: str = "") -> None:
        """Move the bar to ``done`` of ``total``; the end is always shown."""
        if time.monotonic() < self._next and done < total:
            return
        self._next = time.monotonic() + SECONDS_BETWEEN
        percent = 100.0 * done / max(total, 1)
        description = text or f"{done:g} of {total:g} {self._what}"
        if self._id is None:
            self._id = tell_server(lambda: create_progress_artifact(percent, self._key, description))
        else:
            tell_server(lambda: update_progress_artifact(self._id, percent, description))  # type: ignore[arg-type]


class EpochBoard:
    """What a training run shows: a bar with the time left, a log line an epoch, and a table of epochs."""

    def __init__(self, run_key: str) -> None:
        self._key = f"epochs-{run_key[:12]}"
        self._bar = ProgressBar("epochs", f"training-{run_key[:12]}")
        self._rows: list[dict[str, Any]] = []
        self._next_table = 0.0

    def hear(self, event: Event) -> None:
        """Show one event of the trainer."""
        shown = {"started": self._started, "step": self._step, "epoch": self._epoch, "log": self._log}
        if (show := shown.get(event["event"])) is not None:
            show(event)

    def close(self) -> None:
        """Write the table a last time."""
        if self._rows:
            text = "Epochs: losses, and scores on the valid split"
            tell_server(lambda: create_table_artifact(self._rows, self._key, text))

    def _started(self, event: Event) -> None:
        resumed = event["resumed_from_epoch"]
        get_run_logger().info(
            "training on %s: %d epochs of %d steps%s", event["device"], event["epochs"], event["steps_per_epoch"],
            "" if resumed is None else f", going on after epoch {resumed}",
        )  # fmt: skip

    def _step(self, event: Event) -> None:
        done = event["epoch"] - 1 + event["step"] / event["steps"]
        self._bar.show(done, event["epochs"], f"epoch {event['epoch']} of {event['epochs']}, {_time_left(event)}")

    def _epoch(self, event: Event) -> None:
        get_run_logger().info(
            "epoch %d of %d: loss %.3f, valid loss %.3f, mAP %.3f, mAP50 %.3f, best epoch %d; %s",
            event["epoch"], event["epochs"], event["losses"]["total"], event["valid_losses"]["total"],
            event["map"], event["map50"], event["best_epoch"], _time_left(event),
        )  # fmt: skip
        self._rows.append(
            {
                "epoch": event["epoch"],
                "loss": event["losses"]["total"],
                "valid loss": event["valid_losses"]["total"],
                **{name: event[name] for name in ("map", "map50", "precision", "recall", "seconds")},
            }
        )
        self._bar.show(
            event["epoch"], event["epochs"], f"epoch {event['epoch']} of {event['epochs']}, {_time_left(event)}"
        )
        if time.monotonic() > self._next_table:
            self._next_table = time.monotonic() + TABLE_SECONDS
            self.close()

    def _log(self, event: Event) -> None:
        get_run_logger().info("%s", event["message"])


def _time_left(event: Event) -> str:
    minutes, seconds = divmod(round(event["seconds_left"]), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d} left"
