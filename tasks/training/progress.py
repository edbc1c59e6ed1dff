"""What a training run shows in Prefect: a progress bar with the time left, log lines, and a table of epochs."""

import queue
import threading
import time
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact

from tasks.local.threads import in_context
from tasks.orchestration.progress import ProgressBar, report_to_server
from tasks.training.trainer_process import Event

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
        methods = {
            "plan": self._show_plan,
            "started": self._show_start,
            "step": self._show_step,
            "epoch": self._show_epoch,
            "detect": self._show_detection,
            "log": self._show_log,
        }
        if (method := methods.get(event["event"])) is not None:
            method(event)

    def close(self) -> None:
        """Show the remaining events, and end."""
        self._events.put(None)
        self._thread.join(CLOSE_SECONDS)

    def _write_table(self) -> None:
        if self._rows:
            text = "Epochs: losses, and scores on the valid split"
            report_to_server(lambda: create_table_artifact(self._rows, self._key, text))

    def _show_plan(self, event: Event) -> None:
        log = get_run_logger()
        batch, micro = event["batch_size"], event["micro_batch"]
        at_a_time = "" if micro >= batch else f" ({micro} at a time)"
        log.info("%s, %s: batch %d%s", event["machine"], event["device"], batch, at_a_time)
        log.info("train: %s; valid: %s", event["train_images"], event["valid_images"])
        for shortage in event["shortages"]:
            log.warning("%s", shortage)

    def _show_start(self, event: Event) -> None:
        resumed = event["resumed_from_epoch"]
        self._rows = [_row(epoch) for epoch in event["history"]]
        get_run_logger().info(
            "training on %s: %d epochs of %d steps%s", event["device"], event["epochs"], event["steps_per_epoch"],
            "" if resumed is None else f", going on after epoch {resumed}",
        )  # fmt: skip

    def _show_step(self, event: Event) -> None:
        self._show_bar(event, event["epoch"] - 1 + event["step"] / event["steps"])

    def _show_bar(self, event: Event, epochs_done: float) -> None:
        text = f"epoch {event['epoch']} of {event['epochs']}, {_time_left(event)}"
        self._bar.show(epochs_done, event["epochs"], text)

    def _show_epoch(self, event: Event) -> None:
        get_run_logger().info(
            "epoch %d of %d: loss %.3f, valid loss %.3f, mAP %.3f, mAP50 %.3f, best epoch %d; %s",
            event["epoch"], event["epochs"], event["losses"]["total"], event["valid_losses"]["total"],
            event["map"], event["map50"], event["best_epoch"], _time_left(event),
        )  # fmt: skip
        self._rows.append(_row(event))
        self._show_bar(event, event["epoch"])
        if time.monotonic() > self._next_table:
            self._next_table = time.monotonic() + TABLE_SECONDS
            self._write_table()

    def _show_detection(self, event: Event) -> None:
        self._detection_bar.show(event["step"], event["steps"])

    def _show_log(self, event: Event) -> None:
        get_run_logger().info("%s", event["message"])


def _row(epoch: dict[str, Any]) -> dict[str, Any]:
    return {
        "epoch": epoch["epoch"],
        "loss": epoch["losses"]["total"],
        "valid loss": epoch["valid_losses"]["total"],
        **{name: epoch[name] for name in ("map", "map50", "precision", "recall", "seconds")},
    }


def _time_left(event: Event) -> str:
    minutes, seconds = divmod(round(event["seconds_left"]), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d} left"
