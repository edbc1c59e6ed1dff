"""What a training run shows in Prefect: a progress bar with the time left, log lines, and a table of epochs."""

import queue
import threading
import time
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact

from tasks.local.threads import in_context
from tasks.orchestration.progress import ProgressBar, report_to_server
from tasks.records import EpochResult
from tasks.training.contract.events import BatchesDone, EpochDone, Event, LogLine, Plan, Started, StepDone

TABLE_SECONDS = 15.0
"""Least time between two updates of the table."""
CLOSE_SECONDS = 30.0
"""Time that the last updates get; a server that does not answer is not waited for any longer."""


class TrainingProgress:
    """Shows the trainer's events, in a thread of its own.

    Args:
        run_key: Digest of the TrainingSpec, which the keys of the artifacts are made of.
    """

    def __init__(self, run_key: str) -> None:
        self._key = f"epochs-{run_key[:12]}"
        self._bar = ProgressBar("epochs", f"training-{run_key[:12]}")
        self._detection_bar = ProgressBar("batches of images")
        self._rows: list[dict[str, Any]] = []
        self._next_table = 0.0
        # Prefect's server may be slow or away, which must not keep checkpoints waiting.
        self._events: queue.Queue[Event | None] = queue.Queue()
        self._thread = threading.Thread(target=in_context(self._work), name="training-progress", daemon=True)
        self._thread.start()

    def on_event(self, event: Event) -> None:
        """Show one event of the trainer soon, in the background."""
        self._events.put(event)

    def _work(self) -> None:
        while (event := self._events.get()) is not None:
            self._show(event)
        self._write_table()

    def _show(self, event: Event) -> None:
        match event:
            case Plan():
                self._show_plan(event)
            case Started():
                self._show_start(event)
            case StepDone():
                self._show_bar(event, event.epoch - 1 + event.step / event.steps)
            case EpochDone():
                self._show_epoch(event)
            case BatchesDone():
                self._detection_bar.show(event.done, event.total)
            case LogLine():
                get_run_logger().info("%s", event.message)

    def close(self) -> None:
        """Show the remaining events, and end."""
        self._events.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _write_table(self) -> None:
        if self._rows:
            text = "Epochs: losses, and scores on the valid split"
            report_to_server(lambda: create_table_artifact(self._rows, self._key, text))

    def _show_plan(self, plan: Plan) -> None:
        log = get_run_logger()
        at_a_time = "" if plan.micro_batch >= plan.batch_size else f" ({plan.micro_batch} at a time)"
        log.info("%s, %s: batch %d%s", plan.machine, plan.device, plan.batch_size, at_a_time)
        log.info("train: %s; valid: %s", plan.train_images, plan.valid_images)
        for shortage in plan.shortages:
            log.warning("%s", shortage)

    def _show_start(self, start: Started) -> None:
        resumed = start.resumed_from_epoch
        self._rows = [_row(epoch) for epoch in start.history]
        get_run_logger().info(
            "training on %s: %d epochs of %d steps%s", start.device, start.epochs, start.steps_per_epoch,
            "" if resumed is None else f", going on after epoch {resumed}",
        )  # fmt: skip
        if start.epochs_done < start.epochs:
            text = f"epoch {start.epochs_done + 1} of {start.epochs} begins"
            self._bar.show(start.epochs_done, start.epochs, text)

    def _show_bar(self, event: StepDone | EpochDone, epochs_done: float) -> None:
        self._bar.show(epochs_done, event.epochs, f"epoch {event.epoch} of {event.epochs}, {_time_left(event)}")

    def _show_epoch(self, epoch: EpochDone) -> None:
        get_run_logger().info(
            "epoch %d of %d: loss %.3f, valid loss %.3f, mAP %.3f, mAP50 %.3f, best epoch %d; %s",
            epoch.epoch, epoch.epochs, epoch.losses["total"], epoch.valid_losses["total"],
            epoch.map, epoch.map50, epoch.best_epoch, _time_left(epoch),
        )  # fmt: skip
        self._rows.append(_row(epoch))
        self._show_bar(epoch, epoch.epoch)
        if time.monotonic() > self._next_table:
            self._next_table = time.monotonic() + TABLE_SECONDS
            self._write_table()


def _row(epoch: EpochResult) -> dict[str, Any]:
    return {
        "epoch": epoch.epoch,
        "loss": epoch.losses["total"],
        "valid loss": epoch.valid_losses["total"],
        **{name: getattr(epoch, name) for name in ("map", "map50", "precision", "recall", "seconds")},
    }


def _time_left(event: StepDone | EpochDone) -> str:
    minutes, seconds = divmod(round(event.seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d} left"
