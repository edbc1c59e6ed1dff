"""A training run on a worker: from the store, through the trainer process, into the store again.

Owns the run's lease, its folder on this machine, and the checkpoints that go up while training goes on. Killed at any
instant and started again, here or on another machine, it goes on from the newest checkpoint that verifies.
"""

import contextvars
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tasks.errors import BadCheckpoint, LeaseHeld, NasflowError, TrainingFailed, WorkerLost
from tasks.local.files import file_sha256, publish_bytes
from tasks.local.priority import yield_to_training
from tasks.records import (
    DatasetSnapshot,
    Detected,
    EvaluateJob,
    Speed,
    Split,
    TrainedModel,
    TrainingResult,
    TrainJob,
)
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_dataset
from tasks.storage.runs import (
    Lease,
    drop_checkpoints,
    find_model,
    hold_lease,
    newest_epoch,
    prune_checkpoints,
    restore_checkpoint,
    save_checkpoint,
)
from tasks.storage.s3 import Store
from tasks.training import files
from tasks.training.fit import until_it_fits
from tasks.training.given_weights import fetch_file, fetch_weights
from tasks.training.launch import DETECT, TRAIN, Event, TrainerProcess, detect_arguments, train_arguments

logger = logging.getLogger(__name__)

CHECKPOINT_FILES = (files.LAST, files.HISTORY)
"""What a run goes on from; its best weights are in the first."""
OnEvent = Callable[[Event], None]


@dataclass(frozen=True)
class Places:
    """Where one run works on this machine."""

    work: Path
    run: Path
    data: Path

    @classmethod
    def of(cls, settings: WorkSettings, run_key: str) -> "Places":
        """Places below the work folder."""
        run = settings.work_dir / "runs" / run_key
        return cls(settings.work_dir, run, run / files.DATASET)


def train_in_store(store: Store, job: TrainJob, owner: str, settings: WorkSettings, tell: OnEvent) -> TrainedModel:
    """Train what the job says; a finished run with the same spec is given back as it is.

    While another flow run works on the same spec, this one waits for it.

    Args:
        store: Where snapshot, checkpoints and model are.
        job: What to train.
        owner: Who holds the lease; the same after a retry.
        settings: This machine.
        tell: Hears the trainer's events.

    Raises:
        BadWeights: the weights to start from are not there, or have another SHA-256; nothing was begun.
        BadCheckpoint: the trainer refuses this machine's checkpoint and the store's.
        TrainingFailed: the trainer was killed ``settings.trainer_attempts`` times in a row and saved no further epoch.
        WorkerLost: the lease was lost.
        NasflowError: whatever ended the trainer.
    """
    run_key = job.spec.digest
    places = Places.of(settings, run_key)
    if model := find_model(store, run_key):
        logger.info("run %s is finished already; its model is used again", run_key[:12])
        drop_checkpoints(store, run_key)  # left where a worker was lost right after it had finished the run
        return model
    weights = fetch_weights(store, job, places.work / "weights")  # first: it may fail, and takes no GPU
    with _wait_for_lease(store, run_key, owner, settings) as lease:
        if model := find_model(store, run_key):  # whoever held the lease has finished it
            return model
        store.abort_uploads(keys.run(run_key))
        fetch_dataset(store, job.spec.snapshot_digest, places.data, BlobCache.of(settings))
        _prepare(store, job, places)
        with CheckpointUploader(store, run_key, places.run, lease.lost) as uploader:
            _train_to_the_end(store, job, places, weights, lease, uploader, settings, tell)
        model = _publish(store, job, places)
        lease.finish(model)
    drop_checkpoints(store, run_key)
    shutil.rmtree(places.run, ignore_errors=True)
    return model


def _train_to_the_end(
    store: Store,
    job: TrainJob,
    places: Places,
    weights: Path | None,
    lease: Lease,
    uploader: "CheckpointUploader",
    settings: WorkSettings,
    tell: OnEvent,
) -> None:
    """Start the trainer again when it was killed, unless it was so several times and saved no further epoch."""
    attempts = settings.trainer_attempts
    left, epochs = attempts, _epochs_here(places.run)
    set_aside = False
    arguments = train_arguments(places.run, places.data, settings, weights, job)
    while True:
        try:
            return until_it_fits(
                places.run,
                lambda: _train(places, arguments, lease, uploader, tell),
                lambda line: logger.warning("%s", line),
            )
        except BadCheckpoint as error:
            if set_aside:  # what came from the store is refused as well
                raise
            set_aside = True
            logger.warning("%s; the store's newest checkpoint takes its place", error)
            _set_aside(places.run)
        except WorkerLost as error:
            if lease.lost.is_set():
                raise
            left, epochs = (attempts, now) if (now := _epochs_here(places.run)) > epochs else (left - 1, epochs)
            if left == 0:
                raise TrainingFailed(f"{error}; that was {attempts} times in a row, no further epoch saved") from None
            logger.warning("%s", error)
        _prepare(store, job, places)


def _wait_for_lease(store: Store, run_key: str, owner: str, settings: WorkSettings) -> Lease:
    """The run's lease, as soon as nobody else has it."""
    while True:
        try:
            return hold_lease(store, run_key, owner, settings.lease_seconds)
        except LeaseHeld as error:
            logger.info("%s", error)
            time.sleep(settings.lease_seconds / 4)


def _set_aside(folder: Path) -> None:
    """Put files that the trainer refuses out of its way, without losing them."""
    refused = folder / "refused"
    shutil.rmtree(refused, ignore_errors=True)
    refused.mkdir()
    for name in (*CHECKPOINT_FILES, files.PREVIOUS, files.BEST):
        if (folder / name).exists():
            (folder / name).replace(refused / name)


def _prepare(store: Store, job: TrainJob, places: Places) -> None:
    """Bring the run's folder to its newest checkpoint, of this machine or of the store."""
    run_key = job.spec.digest
    places.run.mkdir(parents=True, exist_ok=True)
    publish_bytes(places.run / files.SPEC, job.spec.model_dump_json(indent=1).encode())
    store.put(keys.run_spec(run_key), job.spec.model_dump_json(indent=1).encode(), content_type="application/json")
    if newest_epoch(store, run_key) <= _epochs_here(places.run):
        return
    aside = places.run / "restored"
    manifest = restore_checkpoint(store, run_key, aside, CHECKPOINT_FILES)
    if manifest is not None:
        # history.jsonl comes last, since it tells how far the folder is.
        for name in (name for name in CHECKPOINT_FILES if name in manifest.files):
            (aside / name).replace(places.run / name)
        logger.info("going on from the store's checkpoint of epoch %d", manifest.epochs_done)
    shutil.rmtree(aside, ignore_errors=True)


def _epochs_here(folder: Path) -> int:
    """Whole epochs in a run's folder on this machine; -1 if there is nothing to go on from."""
    history = folder / files.HISTORY
    if not history.exists() or not (folder / files.LAST).exists():
        return -1
    try:
        return len(files.read_history(history))
    except ValueError as error:
        logger.warning("%s is damaged, so the store's checkpoint is taken: %s", history, error)
        return -1


def _train(places: Places, arguments: list[str], lease: Lease, uploader: "CheckpointUploader", tell: OnEvent) -> None:
    """One trainer process from start to end."""
    with TrainerProcess(TRAIN, arguments, places.run / files.LOG) as trainer:
        try:
            for event in trainer.events():
                _refuse_if_lost(lease)
                _keep_checkpoint(event, lease, uploader)
                tell(event)
        except BaseException:
            trainer.stop()
            for event in trainer.events():
                _keep_checkpoint(event, lease, uploader)
            raise
        trainer.result()


def _refuse_if_lost(lease: Lease) -> None:
    if lease.lost.is_set():
        raise WorkerLost("the lease on this run was lost to another; this one stops")


def _keep_checkpoint(event: Event, lease: Lease, uploader: "CheckpointUploader") -> None:
    if event["event"] == "checkpoint":
        uploader.offer(event["epochs_done"], event["sha256"])
        lease.report(event["epochs_done"])


def _publish(store: Store, job: TrainJob, places: Places) -> TrainedModel:
    """Store what the run came to: its best weights and its history."""
    run_key = job.spec.digest
    result = TrainingResult.model_validate_json((places.run / files.RESULT).read_bytes())
    history = keys.run_history(run_key)
    return TrainedModel(
        run_key=run_key,
        spec=job.spec,
        result=result,
        weights=store.upload(places.run / files.BEST, lambda sha256: keys.run_weights(run_key, sha256)),
        history=store.upload(places.run / files.HISTORY, history, content_type="application/jsonl"),
    )


class CheckpointUploader:
    """Sends checkpoints to the store in a thread of its own, so that training does not wait for the network.

    Epochs may be shorter than an upload takes: then the newest checkpoint goes next, and those between are left out.
    Uploading takes a tenth of the time at most, since it takes processor time and room from training. Left without an
    error, training has come to its end, and a checkpoint that still waits is of no use.

    Args:
        store: Where to.
        run_key: Digest of the TrainingSpec.
        folder: The run's folder.
        lost: Set when the run belongs to another: nothing is sent any more.
    """

    SHARE = 0.1

    def __init__(self, store: Store, run_key: str, folder: Path, lost: threading.Event) -> None:
        self._store, self._run_key, self._folder, self._lost = store, run_key, folder, lost
        self._offered: tuple[int, str] | None = None
        self._changed = threading.Condition()
        self._ending = False
        # With this thread's context, so that log lines find their way to the flow run.
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=[self._work], name="checkpoint-upload", daemon=True)

    def __enter__(self) -> "CheckpointUploader":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._changed:
            self._ending = True
            if kind is None:
                self._offered = None
            self._changed.notify()
        self._thread.join()

    def offer(self, epochs_done: int, sha256: str) -> None:
        """Tell that last.ckpt is now the one with this SHA-256."""
        with self._changed:
            self._offered = (epochs_done, sha256)
            self._changed.notify()

    def _work(self) -> None:
        yield_to_training()
        pause = 0.0
        while (offered := self._next(pause)) is not None and not self._lost.is_set():
            began = time.monotonic()
            try:
                self._send(*offered)
            except (NasflowError, OSError) as error:
                # Training goes on: the next checkpoint is a new try, and the files stay on this machine.
                logger.warning("checkpoint of epoch %d not sent: %s", offered[0], error)
            pause = (time.monotonic() - began) * (1 / self.SHARE - 1)

    def _next(self, pause: float) -> tuple[int, str] | None:
        """The newest checkpoint, once ``pause`` seconds are over; at the end at once."""
        ready = time.monotonic() + pause
        with self._changed:
            while not self._ending and (self._offered is None or time.monotonic() < ready):
                self._changed.wait(None if self._offered is None else ready - time.monotonic())
            offered, self._offered = self._offered, None
            return offered

    def _send(self, epochs_done: int, sha256: str) -> None:
        spool = self._folder / "spool"
        shutil.rmtree(spool, ignore_errors=True)
        spool.mkdir()
        there = [name for name in CHECKPOINT_FILES if (self._folder / name).exists()]
        for name in there:
            # The trainer replaces files by renaming, so a link keeps this one.
            os.link(self._folder / name, spool / name)
        if file_sha256(spool / files.LAST) == sha256:
            save_checkpoint(self._store, self._run_key, epochs_done, {name: spool / name for name in there})
            prune_checkpoints(self._store, self._run_key)
            logger.info("checkpoint of epoch %d is in the store", epochs_done)
        shutil.rmtree(spool, ignore_errors=True)


# Detections --------------------------------------------------------------------------------------


def detect_in_store(store: Store, job: EvaluateJob, settings: WorkSettings, tell: OnEvent) -> Detected:
    """Run a finished run's best weights over the split to be measured, and store the detections.

    For the test split they run over the valid split, too, where that is labelled: thresholds are chosen there.

    Raises:
        NasflowError: the run is not finished, or its weights do not fit the snapshot.
    """
    model = find_model(store, job.run_key)
    if model is None:
        raise NasflowError(f"run {job.run_key[:12]} has no finished model in the store; train it first")
    work = settings.work_dir
    weights = fetch_file(store, model.weights.key, model.weights.sha256, work / "weights")
    folder = work / "detections" / f"{job.run_key[:16]}-{job.snapshot_digest[:16]}-{os.getpid()}"
    data, out = folder / files.DATASET, folder / "found"
    splits = splits_to_detect(job, fetch_dataset(store, job.snapshot_digest, data, BlobCache.of(settings)))
    arguments = detect_arguments(weights, data, splits, out, settings)
    with TrainerProcess(DETECT, arguments, folder / files.LOG) as detector:
        for event in detector.events():
            tell(event)
        detector.result()
    detected = _store_detections(store, job, splits, out)
    shutil.rmtree(folder, ignore_errors=True)
    return detected


def splits_to_detect(job: EvaluateJob, snapshot: DatasetSnapshot) -> tuple[Split, ...]:
    """The split to be measured; where it is test, and valid has labelled boxes, that one after it."""
    valid = snapshot.counts().get("valid")
    return ("test", "valid") if job.split == "test" and valid and valid.boxes else (job.split,)


def _store_detections(store: Store, job: EvaluateJob, splits: tuple[Split, ...], out: Path) -> Detected:
    stored = {
        split: store.upload(
            out / files.detections(split),
            lambda sha256: keys.detections(job.run_key, job.snapshot_digest, sha256),
            content_type="application/json",
        )
        for split in splits
    }
    speed = Speed.model_validate_json((out / files.SPEED).read_bytes())
    valid = stored.get("valid") if job.split == "test" else None
    return Detected(measured=stored[job.split], valid=valid, speed=speed)
