"""A training run on a worker: from the store, through the trainer process, into the store again.

Killed at any instant and started again, here or on another machine, it goes on from the newest checkpoint that is
whole.
"""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import BadCheckpoint, TrainingFailed, WorkerLost
from tasks.metrics.scoring_number import require_present_scoring
from tasks.outages import wait_out
from tasks.records import DatasetSnapshot, LeaseHolder, Split, TrainedModel, TrainingResult, TrainJob
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.blob_cache import BlobCache
from tasks.storage.checkpoints import delete_checkpoints
from tasks.storage.datasets import fetch_dataset
from tasks.storage.held_lease import Lease
from tasks.storage.leases import wait_for_lease
from tasks.storage.runs import reuse_model
from tasks.storage.s3 import Store
from tasks.training.checkpoint_uploader import CheckpointUploader
from tasks.training.contract import files
from tasks.training.contract.events import CheckpointSaved, Event
from tasks.training.contract.fit import until_it_fits
from tasks.training.contract.job import TrainingWork
from tasks.training.initial_weights import fetch_weights
from tasks.training.launch import training_work
from tasks.training.run_folder import RunFolder
from tasks.training.spec import require_present_recipe
from tasks.training.stored_detections import splits_to_detect, store_detections
from tasks.training.trainer_jobs import trainer_process

logger = logging.getLogger(__name__)


def train_in_store(
    store: Store, job: TrainJob, holder: LeaseHolder, settings: WorkSettings, on_event: Callable[[Event], None]
) -> TrainedModel:
    """Train what the job says; the model of a finished run with the same spec is returned as it is.

    While another flow run works on the same spec, this one waits for it.

    Args:
        store: The object store: snapshot, checkpoints and model.
        job: What to train.
        holder: Who holds the lease; the same after a retry.
        settings: Settings of this machine.
        on_event: Called with every event of the trainer.

    Returns:
        The model.

    Raises:
        BadSpec: another nasflow planned it, whose recipe or scoring has another number.
        BadWeights: the initial weights do not exist, or have another SHA-256; nothing was begun.
        BadCheckpoint: the trainer refuses this machine's checkpoint and the store's.
        TrainingFailed: the trainer was killed ``settings.trainer_attempts`` times in a row and saved no further epoch.
        WorkerLost: the lease was lost.
        AttemptReplaced: a later attempt of the same flow run trains this.
        NasflowError: whatever else ended the trainer.
    """
    run_key = job.spec.digest
    if model := reuse_model(store, run_key):
        logger.info("run %s is finished already; its model is used again", run_key[:12])
        delete_checkpoints(store, run_key)  # a worker that was lost right after it had finished the run left them
        return model
    require_present_recipe(job.spec)
    if job.evaluation:
        require_present_scoring(job.evaluation)
    weights = fetch_weights(store, job, settings.work_dir / "weights")  # first: it may fail, and takes no GPU
    with wait_for_lease(store, run_key, holder, settings.lease_seconds) as lease:
        if model := lease.model:  # the previous holder of the lease has finished it
            return model
        run = RunOnWorker(lease.store, job, RunFolder.of(settings, run_key), settings, lease, on_event)
        model = run.train(weights)
        lease.finish(model)
    delete_checkpoints(store, run_key)
    shutil.rmtree(run.folder.path, ignore_errors=True)
    return model


@dataclass(frozen=True)
class RunOnWorker:
    """A training run on this worker, which holds the run's lease.

    Attributes:
        store: The object store, which asks the lease before each write.
        job: What to train.
        folder: The run's folder on this machine.
        settings: Settings of this machine.
        lease: The run's lease.
        on_event: Called with every event of the trainer.
    """

    store: Store
    job: TrainJob
    folder: RunFolder
    settings: WorkSettings
    lease: Lease
    on_event: Callable[[Event], None]

    def train(self, weights: Path | None) -> TrainedModel:
        """Train to the end, from the newest checkpoint or from ``weights``, and store the model."""
        spec = self.job.spec
        self.store.abort_uploads(keys.run(spec.digest))
        snapshot = fetch_dataset(self.store, spec.snapshot_digest, self.folder.data, BlobCache.of(self.settings))
        self.folder.prepare(self.store, spec)
        self._warn_of_lost_work()
        splits = self._splits_to_detect(snapshot)
        work = training_work(self.job, self.folder.path, self.folder.data, self.settings, weights, splits)
        with CheckpointUploader(self.store, spec.digest, self.folder.path, self.lease.lost) as uploader:
            self._train_to_the_end(work, uploader)
        # Waited for here: a retry of the step would give the lease back, and start a trainer for a finished run.
        return wait_out(lambda: self._store_model(splits), "the finished model is kept on this machine")

    def _warn_of_lost_work(self) -> None:
        """Say what of an earlier attempt is trained again, since no checkpoint has it."""
        before, epochs_done = self.lease.previous, self.folder.epochs_done()
        if before is None:
            return
        if epochs_done < 0:
            logger.warning(
                "training begins anew: %s was at work on it before, and left no checkpoint in the store",
                before.holder.place,
            )
        elif epochs_done < before.epochs_done:
            logger.warning(
                "training goes on after epoch %d: %s had saved epoch %d on its machine, which is not in the store",
                epochs_done, before.holder.place, before.epochs_done,
            )  # fmt: skip

    def _splits_to_detect(self, snapshot: DatasetSnapshot) -> tuple[Split, ...]:
        """Splits that the trained model is evaluated on, if that is on the labels that it is trained on."""
        evaluation = self.job.evaluation
        if evaluation is None or evaluation.snapshot_digest != snapshot.digest:
            return ()
        return splits_to_detect(evaluation, snapshot)

    def _train_to_the_end(self, work: TrainingWork, uploader: CheckpointUploader) -> None:
        """Start a killed trainer again, unless it was killed several times in a row and saved no further epoch."""
        attempts_left, epochs_done = self.settings.trainer_attempts, self.folder.epochs_done()
        was_refused = False
        while True:
            try:
                return until_it_fits(
                    self.folder.path,
                    lambda: self._train_once(work, uploader),
                    lambda message: logger.warning("%s", message),
                )
            except BadCheckpoint as error:
                if was_refused:  # the store's checkpoint is refused as well
                    raise
                was_refused = True
                logger.warning("%s; the store's newest checkpoint takes its place", error)
                self.folder.set_checkpoint_aside()
            except WorkerLost as error:
                if self.lease.lost.is_set():
                    raise
                attempts_left -= 1
                if (epochs_now := self.folder.epochs_done()) > epochs_done:
                    attempts_left, epochs_done = self.settings.trainer_attempts, epochs_now
                if attempts_left == 0:
                    attempts = self.settings.trainer_attempts
                    message = f"{error}; that was {attempts} times in a row, no further epoch saved"
                    raise TrainingFailed(message) from None
                logger.warning("%s", error)
            self.folder.prepare(self.store, self.job.spec)

    def _train_once(self, work: TrainingWork, uploader: CheckpointUploader) -> None:
        """One trainer process from start to end."""
        with trainer_process(work, self.folder.path) as trainer:
            try:
                for event in trainer.events():
                    self.lease.check()
                    self._keep_checkpoint(event, uploader)
                    self.on_event(event)
            except BaseException:
                trainer.stop()
                for event in trainer.events():
                    self._keep_checkpoint(event, uploader)
                raise
            trainer.result()

    def _keep_checkpoint(self, event: Event, uploader: CheckpointUploader) -> None:
        if isinstance(event, CheckpointSaved):
            uploader.offer(event.epochs_done, event.sha256)
            self.lease.report(event.epochs_done)

    def _store_model(self, splits: tuple[Split, ...]) -> TrainedModel:
        """Store the best weights, the history and the detections, unless another worker has the run now."""
        self.lease.confirm()
        run_key, path = self.job.spec.digest, self.folder.path
        model = TrainedModel(
            run_key=run_key,
            spec=self.job.spec,
            result=TrainingResult.model_validate_json((path / files.RESULT).read_bytes()),
            weights=self.store.upload(path / files.BEST, lambda sha256: keys.run_weights(run_key, sha256), is_new=True),
            history=self.store.upload(
                path / files.HISTORY,
                lambda sha256: keys.run_history(run_key, sha256),
                content_type="application/jsonl",
                is_new=True,
            ),
        )
        # A trainer that was stopped while it detected has none, and the evaluation detects by itself.
        if self.job.evaluation and splits and (path / files.DETECTED / files.SPEED).exists():
            store_detections(self.store, self.job.evaluation, model, splits, path / files.DETECTED)
        return model
