"""The folder of a training run on this worker, and its newest checkpoint."""

import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

from tasks.records import TrainingSpec
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.checkpoints import newest_epoch, restore_checkpoint
from tasks.storage.documents import put_record
from tasks.storage.s3 import Store
from tasks.training.contract import files

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunFolder:
    """Where one run works on this machine."""

    path: Path

    @classmethod
    def of(cls, settings: WorkSettings, run_key: str) -> "RunFolder":
        """The run's folder below the work folder."""
        return cls(settings.work_dir / "runs" / run_key)

    @property
    def data(self) -> Path:
        """The dataset folder."""
        return self.path / files.DATASET

    def prepare(self, store: Store, spec: TrainingSpec) -> None:
        """Store the spec, and bring the folder to the run's newest checkpoint, of this machine or of the store."""
        self.path.mkdir(parents=True, exist_ok=True)
        put_record(store, keys.run_spec(spec.digest), spec)
        if newest_epoch(store, spec.digest) <= self.epochs_done():
            return
        temporary = self.path / "restored"
        manifest = restore_checkpoint(store, spec.digest, temporary, files.CHECKPOINT)
        if manifest is not None:
            # history.jsonl comes last: ``epochs_done`` reads it.
            for name in (name for name in files.CHECKPOINT if name in manifest.files):
                (temporary / name).replace(self.path / name)
            logger.info("going on from the store's checkpoint of epoch %d", manifest.epochs_done)
        shutil.rmtree(temporary, ignore_errors=True)

    def epochs_done(self) -> int:
        """Whole epochs of this machine's checkpoint; -1 if there is none."""
        history = self.path / files.HISTORY
        if not history.exists() or not (self.path / files.LAST).exists():
            return -1
        try:
            return len(files.read_history(history))
        except ValueError as error:
            logger.warning("%s is damaged, so the store's checkpoint is taken: %s", history, error)
            return -1

    def set_checkpoint_aside(self) -> None:
        """Move a checkpoint that the trainer refuses out of its way, without losing it."""
        refused = self.path / "refused"
        shutil.rmtree(refused, ignore_errors=True)
        refused.mkdir()
        for name in (*files.CHECKPOINT, files.PREVIOUS, files.BEST):
            if (self.path / name).exists():
                (self.path / name).replace(refused / name)
