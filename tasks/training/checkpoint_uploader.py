"""Checkpoints on their way into the store while training goes on."""

import logging
import os
import shutil
import threading
import time
from pathlib import Path
from types import TracebackType

from tasks.errors import NasflowError
from tasks.local.files import file_sha256
from tasks.local.threads import in_context
from tasks.storage.checkpoints import prune_checkpoints, save_checkpoint
from tasks.storage.s3 import Store
from tasks.training.contract import files

logger = logging.getLogger(__name__)

UPLOAD_SHARE = 0.1
"""Uploads take this share of the time at most, since they take processor time and memory from training."""


class CheckpointUploader:
    """Uploads checkpoints in a thread of its own, so that training does not wait for the network.

    Epochs may be shorter than an upload takes: then the newest checkpoint goes next, and those between are left out.
    When the ``with`` block ends without an error, training is finished, and a checkpoint that still waits is not sent.

    Args:
        store: The object store.
        run_key: Digest of the TrainingSpec.
        folder: The run's folder.
        lost: Set when the run belongs to another worker: nothing is sent any more.
    """

    def __init__(self, store: Store, run_key: str, folder: Path, lost: threading.Event) -> None:
        self._store, self._run_key, self._folder, self._lost = store, run_key, folder, lost
        self._waiting: tuple[int, str] | None = None
        self._changed = threading.Condition()
        self._ending = False
        self._thread = threading.Thread(target=in_context(self._work), name="checkpoint-upload", daemon=True)

    def __enter__(self) -> "CheckpointUploader":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._ending = True
            if kind is None:
                self._waiting = None
            self._changed.notify()
        self._thread.join()

    def offer(self, epochs_done: int, sha256: str) -> None:
        """Have last.ckpt uploaded soon, unless a newer one is offered before.

        Args:
            epochs_done: Whole epochs that it holds.
            sha256: SHA-256 of last.ckpt.
        """
        with self._changed:
            self._waiting = (epochs_done, sha256)
            self._changed.notify()

    def _work(self) -> None:
        pause = 0.0
        while (checkpoint := self._next(pause)) is not None and not self._lost.is_set():
            began = time.monotonic()
            epochs_done, sha256 = checkpoint
            try:
                self._upload(epochs_done, sha256)
            except (NasflowError, OSError) as error:
                # Training goes on: the next checkpoint is a new attempt, and the files stay on this machine.
                logger.warning("checkpoint of epoch %d not sent, training goes on: %s", epochs_done, error)
            pause = (time.monotonic() - began) * (1 / UPLOAD_SHARE - 1)

    def _next(self, pause: float) -> tuple[int, str] | None:
        """The newest checkpoint, once ``pause`` seconds are over; at the end at once."""
        ready = time.monotonic() + pause
        with self._changed:
            while not self._ending and (self._waiting is None or time.monotonic() < ready):
                self._changed.wait(None if self._waiting is None else ready - time.monotonic())
            checkpoint, self._waiting = self._waiting, None
            return checkpoint

    def _upload(self, epochs_done: int, sha256: str) -> None:
        """Save the checkpoint, unless the trainer has replaced it meanwhile."""
        spool = self._folder / "spool"
        shutil.rmtree(spool, ignore_errors=True)
        spool.mkdir()
        names = [name for name in files.CHECKPOINT if (self._folder / name).exists()]
        for name in names:
            # The trainer replaces files by renaming, so a link keeps this one.
            os.link(self._folder / name, spool / name)
        if file_sha256(spool / files.LAST) == sha256:
            save_checkpoint(self._store, self._run_key, epochs_done, {name: spool / name for name in names})
            prune_checkpoints(self._store, self._run_key)
            logger.info("checkpoint of epoch %d is in the store", epochs_done)
        shutil.rmtree(spool, ignore_errors=True)
