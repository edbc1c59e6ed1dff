"""A run's files: saved while training goes on, and gone on from. Only the leader of a team writes.

Saving stops training for as long as it takes to copy weights and optimiser state in memory; a thread does the rest.
"""

import copy
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tasks.dataset_folder import publish_bytes
from tasks.errors import BadCheckpoint
from tasks.records import TrainingSpec
from tasks.training import files
from tasks.training.worker.bad_steps import not_learning
from tasks.training.worker.checkpoint import Checkpoint, newest_checkpoint, write_checkpoint
from tasks.training.worker.events import Events
from tasks.training.worker.learner import Learner
from tasks.training.worker.progress import Progress
from tasks.training.worker.weights import read_metadata, write_weights

State = dict[str, Any]


class Keeper:
    """Keeps one run in its folder.

    Args:
        spec: The run.
        folder: Its folder.
        learner: What is saved.
        events: Hears of checkpoints, and of epochs once they are safe.
    """

    def __init__(self, spec: TrainingSpec, folder: Path, learner: Learner, events: Events) -> None:
        self.spec, self.folder, self.learner, self.events = spec, folder, learner, events
        self.licence: str | None = None
        """Of the weights that the run began with."""
        self.saved_at = time.monotonic()
        """When training went on after the last checkpoint."""
        self._copy: State = {}
        self._thread = ThreadPoolExecutor(1, "keeper", initializer=keep_quiet)
        self._writing: Future[None] | None = None

    def save(self, progress: Progress, epoch: dict[str, Any] | None = None) -> None:
        """Have history.jsonl and last.ckpt written, best.safetensors if it is due, and tell.

        Args:
            progress: How far the run is.
            epoch: What to tell of the epoch that has just ended, when it is safe.

        Raises:
            NotLearning: the weights are no finite numbers, so the last checkpoint is kept.
            DiskFull: the checkpoint before this one could not be written.
        """
        if not self.learner.is_finite:
            raise not_learning(self.spec, "the weights are no finite numbers any more")
        began = time.monotonic()
        if self.learner.team.leads:
            self.wait()  # where epochs are shorter than writing, which the copy is for
            self._copy = copied(self.learner.state(), self._copy)
            checkpoint = Checkpoint(copy.deepcopy(progress), self._copy)
            stalled = time.monotonic() - began
            self._writing = self._thread.submit(self._write, checkpoint, epoch, stalled)
        self.saved_at = time.monotonic()

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

    def check(self) -> None:
        """Raise what went wrong with writing, if it is known by now."""
        if self._writing is not None and self._writing.done():
            self.wait()

    def _write(self, checkpoint: Checkpoint, epoch: dict[str, Any] | None, stalled: float) -> None:
        """History, checkpoint, best weights, in this order: resuming makes up the last from the one before it."""
        progress = checkpoint.progress
        self._write_history(progress)
        sha256, size = write_checkpoint(self.folder, self.spec, checkpoint)
        self.events.tell(
            "checkpoint", epochs_done=progress.epochs_done, steps_done=progress.steps_done, sha256=sha256, size=size,
            seconds=round(stalled, 4),
        )  # fmt: skip
        if epoch is not None:
            self._write_best_if_due(progress, checkpoint.state)
            self.events.tell("epoch", **epoch)

    def _write_history(self, progress: Progress) -> None:
        history = "".join(line.model_dump_json() + "\n" for line in progress.history)
        publish_bytes(self.folder / files.HISTORY, history.encode())

    def _write_best_if_due(self, progress: Progress, state: State) -> None:
        """Write best.safetensors when the epoch just done is the best one."""
        best = progress.best
        if best and best.epoch == progress.epochs_done:
            prefix = "module."  # of torch's AveragedModel
            average = {name.removeprefix(prefix): value for name, value in state["average"].items() if prefix in name}
            write_weights(self.folder / files.BEST, average, self.spec, best, self.licence)

    def resume(self) -> Progress | None:
        """Bring the learner to the newest checkpoint, if there is one, and say how far it is.

        Raises:
            BadCheckpoint: it is damaged, or of another run.
        """
        found = newest_checkpoint(self.folder, self.spec)
        if found is None:
            return None
        checkpoint, damaged = found
        if damaged:
            self.events.tell("log", message=f"{damaged.partition(';')[0]}; the one before it is used")
        self.learner.load(checkpoint.state)
        if self.learner.team.leads:
            self._check_best(checkpoint)
            self._write_history(checkpoint.progress)  # of an older checkpoint than the one that wrote the file
        return checkpoint.progress

    def _check_best(self, checkpoint: Checkpoint) -> None:
        """Make best.safetensors the one that the checkpoint speaks of."""
        progress = checkpoint.progress
        best = progress.best
        if best is None or (progress.steps_done == 0 and best.epoch == progress.epochs_done):
            return self._write_best_if_due(progress, checkpoint.state)
        path = self.folder / files.BEST
        there = read_metadata(path) if path.exists() else {}
        # A later epoch's: this is an older checkpoint, and the epoch that wrote it comes again, and writes it again.
        if there.get("run_key") != self.spec.digest or int(there.get("epoch", 0)) < best.epoch:
            raise BadCheckpoint(
                f"{path}: is not the best epoch ({best.epoch}) of {self.folder / files.LAST}; "
                "restore it, or remove both to start from the beginning"
            )
        return None


def keep_quiet() -> None:
    """Have this thread leave the processor to those that train.

    A second team of OpenMP threads would stay, and halve the speed of the first one for good: with more of them than
    cores none waits for its next work awake. And a step waits for its slowest thread, so this one takes what is idle.
    """
    torch.set_num_threads(1)
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 5)  # on Linux a thread's own


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
