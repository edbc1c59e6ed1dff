"""When a run's files are written, and going on from them. Only the main process writes.

Saving stops training while parameters and optimizer state are copied in memory. A thread writes the copy. Where epochs
take seconds not each is saved, and after a kill those since the last save are done again with the same result.
"""

import copy
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

from tasks.errors import BadCheckpoint
from tasks.local.files import publish_bytes
from tasks.records import BestEpoch, TrainingSpec
from tasks.training.contract import files
from tasks.training.contract.events import CheckpointSaved, LogLine
from tasks.training.worker.loop.bad_steps import not_learning
from tasks.training.worker.loop.checkpoint import Checkpoint, newest_checkpoint, write_checkpoint
from tasks.training.worker.loop.progress import Progress
from tasks.training.worker.loop.state_copy import copy_state
from tasks.training.worker.loop.step import TrainingStep
from tasks.training.worker.model.weights_writer import write_weights
from tasks.training.worker.runtime.disk import disk_full_reported
from tasks.training.worker.runtime.events import Events

State = dict[str, Any]

EPOCH_SAVE_SECONDS = 60.0
"""Minimum time between saves at the ends of epochs."""


class Checkpointer:
    """Writes one run's checkpoints, history and best weights into its folder.

    Args:
        spec: The run.
        folder: Its folder.
        training_step: What is saved.
        events: Gets an event per checkpoint.
        seconds: Time between saves within epochs.
    """

    def __init__(
        self, spec: TrainingSpec, folder: Path, training_step: TrainingStep, events: Events, seconds: float
    ) -> None:
        self.spec, self.folder, self.events, self.seconds = spec, folder, events, seconds
        self.training_step = training_step
        self.licence: str | None = None
        """Of the weights that the run started from."""
        self._copy: State = {}
        self._best: State = {}
        """EMA of the best epoch."""
        self._saved_at = time.monotonic()
        """Time of the last save, or of the start."""
        self._saved = (0, 0)
        """Epochs and steps done at the last save."""
        self._best_written = 0
        # A second set of OpenMP threads would compete with the one that trains.
        self._thread = ThreadPoolExecutor(1, "checkpointer", initializer=torch.set_num_threads, initargs=(1,))
        self._writing: Future[None] | None = None

    @property
    def _is_main_process(self) -> bool:
        return self.training_step.process_group.is_main_process

    # Saving --------------------------------------------------------------------------------------

    def after_step(self, progress: Progress) -> None:
        """Save, if the last save is long ago.

        Raises:
            NotLearning, DiskFull: as ``save``.
        """
        if self._writing is not None and self._writing.done():
            self.wait()
        if self._seconds_unsaved > self.seconds:
            self.save(progress)

    def after_epoch(self, progress: Progress, *, last: bool) -> None:
        """Keep the EMA of a new best epoch, and save if it is time to.

        Args:
            progress: After the epoch.
            last: Whether training ends with this epoch; then ``finish`` writes.

        Raises:
            NotLearning, DiskFull: as ``save``.
        """
        if progress.best and progress.best.epoch == progress.epochs_done and self._is_main_process:
            self.wait()
            self._best = copy_state(self.training_step.ema_state(), self._best)
        if not last and self._seconds_unsaved > min(EPOCH_SAVE_SECONDS, self.seconds):
            self.save(progress)

    def stop(self, progress: Progress) -> None:
        """Save everything before a stop.

        Raises:
            NotLearning, DiskFull: as ``save``.
        """
        if self._saved != (progress.epochs_done, progress.steps_done):
            self.save(progress)
        self.wait()

    def finish(self, progress: Progress) -> None:
        """Write history and best weights, which is all that a finished run leaves.

        Until the run counts as finished, a second later, a kill costs the work since the last save. Where that is more
        than ``seconds``, it is saved once more.

        Raises:
            NotLearning, DiskFull: as ``save``.
        """
        if self._seconds_unsaved > self.seconds:
            self.stop(progress)
        self.require_finite()
        self.wait()
        if self._is_main_process:
            self._write_best(progress.best, self._best)
            self._write_history(progress)

    def require_finite(self) -> None:
        """Check the parameters.

        Raises:
            NotLearning: some are no finite numbers; the last checkpoint is kept.
        """
        if not self.training_step.is_finite:
            raise not_learning(self.spec, "the weights are no finite numbers any more")

    def save(self, progress: Progress) -> None:
        """Copy everything, and have a thread write history.jsonl, last.ckpt and, if it is new, best.safetensors.

        Raises:
            NotLearning: the parameters are no finite numbers; the last checkpoint is kept.
            DiskFull: the checkpoint before this one could not be written.
        """
        self.require_finite()
        start = time.monotonic()
        if self._is_main_process:
            self.wait()  # the copy before this one is still being written
            self._copy = copy_state(self.training_step.state(), self._copy)
            checkpoint = Checkpoint(copy.deepcopy(progress), {**self._copy, "best": self._best_to_write(progress)})
            stalled = time.monotonic() - start
            self._writing = self._thread.submit(self._write, checkpoint, stalled)
        self._saved, self._saved_at = (progress.epochs_done, progress.steps_done), time.monotonic()

    def _best_to_write(self, progress: Progress) -> State:
        """EMA of the best epoch. Right after that epoch it is the current EMA, which the file then holds once."""
        if progress.best is None or (progress.best.epoch, 0) != (progress.epochs_done, progress.steps_done):
            return self._best
        ema: State = self._copy["ema"]
        return ema

    @property
    def _seconds_unsaved(self) -> float:
        return time.monotonic() - self._saved_at

    def wait(self) -> None:
        """Wait until everything is written.

        Raises:
            DiskFull: it could not be.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def close(self) -> None:
        """Wait until nothing is written any more, whatever the outcome; then the folder is free for another process."""
        self._thread.shutdown(wait=True)

    def _write(self, checkpoint: Checkpoint, stalled: float) -> None:
        """Best weights come last: the checkpoint holds them, so resuming can write them again."""
        progress = checkpoint.progress
        self._write_history(progress)
        sha256, size = write_checkpoint(self.folder, self.spec, checkpoint)
        self.events.report(
            CheckpointSaved(
                epochs_done=progress.epochs_done, steps_done=progress.steps_done, sha256=sha256, size=size,
                seconds=round(stalled, 4),
            )
        )  # fmt: skip
        self._write_best(progress.best, checkpoint.state["best"])

    def _write_history(self, progress: Progress) -> None:
        history = "".join(epoch.model_dump_json() + "\n" for epoch in progress.history)
        with disk_full_reported(self.folder):
            publish_bytes(self.folder / files.HISTORY, history.encode())

    def _write_best(self, best: BestEpoch | None, ema_state: State) -> None:
        if best is None or best.epoch == self._best_written:
            return
        with disk_full_reported(self.folder):
            write_weights(self.folder / files.BEST, self.training_step.named(ema_state), self.spec, best, self.licence)
        self._best_written = best.epoch

    # Resuming ------------------------------------------------------------------------------------

    def resume(self) -> Progress | None:
        """Load the newest checkpoint, if there is one.

        Returns:
            How far it is; None without a checkpoint.

        Raises:
            BadCheckpoint: it is damaged, of another run, or of another network.
        """
        newest = newest_checkpoint(self.folder, self.spec)
        if newest is None:
            return None
        checkpoint, damage = newest
        if damage:
            self.events.report(LogLine(message=f"{damage.partition(';')[0]}; the one before it is used"))
        if checkpoint.state["layout"] != self.training_step.layout:
            raise BadCheckpoint(
                f"{self.folder}: the checkpoint's weights stand in another order than this version's, or are others; "
                "finish it with the version that wrote it, or take another folder"
            )
        self.training_step.load(checkpoint.state)
        self._best = checkpoint.state["best"]
        if self._is_main_process:
            self._write_history(checkpoint.progress)  # the file may be newer than the checkpoint
            self._write_best(checkpoint.progress.best, self._best)
        return checkpoint.progress
