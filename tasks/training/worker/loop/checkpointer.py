"""A run's files: saved while training goes on, and gone on from. Only the leader of a team writes.

Saving stops training for as long as it takes to copy weights and optimiser state in memory; a thread does the rest.
Where epochs last seconds not each is saved, and a kill costs those since the last save, which are done again alike.
"""

import copy
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tasks.errors import BadCheckpoint
from tasks.local.files import publish_bytes
from tasks.local.priority import yield_to_training
from tasks.records import BestEpoch, TrainingSpec
from tasks.training import files
from tasks.training.worker.loop.bad_steps import not_learning
from tasks.training.worker.loop.checkpoint import Checkpoint, disk_full_reported, newest_checkpoint, write_checkpoint
from tasks.training.worker.loop.progress import Progress
from tasks.training.worker.loop.step import TrainingStep
from tasks.training.worker.model.weights import write_weights
from tasks.training.worker.runtime.events import Events

State = dict[str, Any]

EPOCH_SAVE_SECONDS = 60.0
"""Seconds between saves at the ends of epochs, at least."""


class Checkpointer:
    """Keeps one run in its folder.

    Args:
        spec: The run.
        folder: Its folder.
        training_step: What is saved.
        events: Hears of checkpoints.
        every: Seconds between saves within epochs.
    """

    def __init__(
        self, spec: TrainingSpec, folder: Path, training_step: TrainingStep, events: Events, every: float
    ) -> None:
        self.spec, self.folder, self.training_step, self.events, self.every = spec, folder, training_step, events, every
        self.licence: str | None = None
        """Of the weights that the run began with."""
        self._copy: State = {}
        self._best: State = {}
        """Averaged weights of the best epoch."""
        self._saved_at = time.monotonic()
        """Or when it began."""
        self._saved = (0, 0)
        """Epochs and steps done at the last save."""
        self._best_written = 0
        self._thread = ThreadPoolExecutor(1, "keeper", initializer=keep_quiet)
        self._writing: Future[None] | None = None

    # Saving --------------------------------------------------------------------------------------

    def after_step(self, progress: Progress) -> None:
        """Save, if the last time is long ago.

        Raises:
            NotLearning, DiskFull: as ``save``.
        """
        if self._writing is not None and self._writing.done():
            self.wait()
        if self._seconds_unsaved > self.every:
            self.save(progress)

    def after_epoch(self, progress: Progress, *, last: bool) -> None:
        """Keep the weights of a new best epoch, and save if it is time to; after the last one ``finish`` does.

        Raises:
            NotLearning, DiskFull: as ``save``.
        """
        if (
            progress.best
            and progress.best.epoch == progress.epochs_done
            and self.training_step.process_group.is_main_process
        ):
            self.wait()
            self._best = copied(self.training_step.ema_state(), self._best)
        if not last and self._seconds_unsaved > min(EPOCH_SAVE_SECONDS, self.every):
            self.save(progress)

    def stop(self, progress: Progress) -> None:
        """Save all of it before training is left, to go on another time.

        Raises:
            NotLearning, DiskFull: as ``save``.
        """
        if self._saved != (progress.epochs_done, progress.steps_done):
            self.save(progress)
        self.wait()

    def finish(self, progress: Progress) -> None:
        """Leave the history and the best weights, which is all that anybody takes from a finished run.

        Until the run counts as finished, a second later, a kill costs the work since the last save; where that is more
        than it may ever be, it is saved once more.

        Raises:
            NotLearning, DiskFull: as ``save``.
        """
        if self._seconds_unsaved > self.every:
            self.stop(progress)
        self.refuse_no_numbers()
        self.wait()
        if self.training_step.process_group.is_main_process:
            self._write_best(progress.best, self._best)
            self._write_history(progress)

    def refuse_no_numbers(self) -> None:
        """Check the weights.

        Raises:
            NotLearning: they are no finite numbers, so the last checkpoint is kept.
        """
        if not self.training_step.is_finite:
            raise not_learning(self.spec, "the weights are no finite numbers any more")

    def save(self, progress: Progress) -> None:
        """Have history.jsonl and last.ckpt written, best.safetensors if it is another than before, and tell.

        Raises:
            NotLearning: the weights are no finite numbers, so the last checkpoint is kept.
            DiskFull: the checkpoint before this one could not be written.
        """
        self.refuse_no_numbers()
        began = time.monotonic()
        if self.training_step.process_group.is_main_process:
            self.wait()  # where steps are shorter than writing, which the copy is for
            self._copy = copied(self.training_step.state(), self._copy)
            checkpoint = Checkpoint(copy.deepcopy(progress), {**self._copy, "best": self._best_to_write(progress)})
            stalled = time.monotonic() - began
            self._writing = self._thread.submit(self._write, checkpoint, stalled)
        self._saved, self._saved_at = (progress.epochs_done, progress.steps_done), time.monotonic()

    def _best_to_write(self, progress: Progress) -> State:
        """Averaged weights of the best epoch; right after it, the averages themselves, which a file then holds once."""
        if progress.best is None or (progress.best.epoch, 0) != (progress.epochs_done, progress.steps_done):
            return self._best
        ema: State = self._copy["ema"]
        return ema

    @property
    def _seconds_unsaved(self) -> float:
        return time.monotonic() - self._saved_at

    def wait(self) -> None:
        """Until everything is written.

        Raises:
            DiskFull: it could not be.
        """
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def close(self) -> None:
        """Until nothing is written any more, however that ends: the folder is another's then."""
        self._thread.shutdown(wait=True)

    def _write(self, checkpoint: Checkpoint, stalled: float) -> None:
        """History, checkpoint, best weights, in this order: the checkpoint holds these, and resuming makes it up."""
        progress = checkpoint.progress
        self._write_history(progress)
        sha256, size = write_checkpoint(self.folder, self.spec, checkpoint)
        self.events.tell(
            "checkpoint", epochs_done=progress.epochs_done, steps_done=progress.steps_done, sha256=sha256, size=size,
            seconds=round(stalled, 4),
        )  # fmt: skip
        self._write_best(progress.best, checkpoint.state["best"])

    def _write_history(self, progress: Progress) -> None:
        history = "".join(line.model_dump_json() + "\n" for line in progress.history)
        with disk_full_reported(self.folder):
            publish_bytes(self.folder / files.HISTORY, history.encode())

    def _write_best(self, best: BestEpoch | None, weights: State) -> None:
        """Write best.safetensors, unless there is no best epoch, or it is written already."""
        if best is None or best.epoch == self._best_written:
            return
        with disk_full_reported(self.folder):
            write_weights(self.folder / files.BEST, self.training_step.named(weights), self.spec, best, self.licence)
        self._best_written = best.epoch

    # Going on ------------------------------------------------------------------------------------

    def resume(self) -> Progress | None:
        """Bring the learner to the newest checkpoint, if there is one, and say how far it is.

        Raises:
            BadCheckpoint: it is damaged, of another run, or of another network.
        """
        found = newest_checkpoint(self.folder, self.spec)
        if found is None:
            return None
        checkpoint, damaged = found
        if damaged:
            self.events.tell("log", message=f"{damaged.partition(';')[0]}; the one before it is used")
        if checkpoint.state["layout"] != self.training_step.layout:
            raise BadCheckpoint(
                f"{self.folder}: the checkpoint's weights stand in another order than this version's, or are others; "
                "finish it with the version that wrote it, or take another folder"
            )
        self.training_step.load(checkpoint.state)
        self._best = checkpoint.state["best"]
        if self.training_step.process_group.is_main_process:
            self._write_history(checkpoint.progress)  # of an older checkpoint than the one that wrote the file
            self._write_best(checkpoint.progress.best, self._best)
        return checkpoint.progress


def keep_quiet() -> None:
    """Have this thread leave the processor to those that train.

    A second team of OpenMP threads would stay, and halve the speed of the first one for good: with more of them than
    cores none waits for its next work awake.
    """
    torch.set_num_threads(1)
    yield_to_training()


@torch.no_grad()
def copied(state: State, before: State) -> State:
    """A copy of a state on the CPU, in the tensors of the one before it where they fit, since new memory takes time."""
    pairs: list[tuple[Tensor, Tensor]] = []

    def keep(value: Any, old: Any) -> Any:
        if isinstance(value, Tensor):
            alike = isinstance(old, Tensor) and old.shape == value.shape and old.stride() == value.stride()
            there: Tensor = old if alike else torch.empty_like(value, device="cpu")
            pairs.append((there, value))
            return there
        if isinstance(value, dict):
            return {name: keep(part, old.get(name) if isinstance(old, dict) else None) for name, part in value.items()}
        if isinstance(value, list):
            olds = old if isinstance(old, list) and len(old) == len(value) else [None] * len(value)
            return [keep(part, one) for part, one in zip(value, olds, strict=True)]
        return copy.deepcopy(value)

    made: State = keep(state, before)
    for kind in {value.dtype for _, value in pairs}:
        there, values = zip(*(pair for pair in pairs if pair[1].dtype == kind), strict=True)
        torch._foreach_copy_(there, values)
    return made
