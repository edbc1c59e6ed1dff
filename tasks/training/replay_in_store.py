"""A published version trained again on a worker, from what the store holds alone. Nothing in the store changes."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from tasks.errors import BadRequest, BadWeights, NasflowError
from tasks.records import ModelVersion, ReplayOutcome, ReplayRequest, TrainedModel, TrainingResult, TrainJob
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_dataset
from tasks.storage.documents import find_record
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tasks.training.contract import files
from tasks.training.contract.events import Event
from tasks.training.contract.fit import Fit, read_fit, until_it_fits, write_fit
from tasks.training.initial_weights import fetch_weights
from tasks.training.launch import training_work
from tasks.training.replay import find_differences, recipe_differs
from tasks.training.run_folder import RunFolder
from tasks.training.spec import RECIPE
from tasks.training.trainer_jobs import run_to_end

logger = logging.getLogger(__name__)


def replay_in_store(
    store: Store, request: ReplayRequest, settings: WorkSettings, on_event: Callable[[Event], None]
) -> ReplayOutcome:
    """Train a published version again, and compare the weights.

    It goes on from this machine's checkpoint if an attempt of it was interrupted.

    Args:
        store: The object store.
        request: Names the version.
        settings: Settings of this machine.
        on_event: Called with every event of the trainer.

    Returns:
        Whether the weights are the same, and what may explain it if not.

    Raises:
        BadRequest: there is no such version.
        BadWeights: the weights that it started from are gone.
        NasflowError: its run is gone, or whatever else ended the trainer.
    """
    version, model = find_run(store, request)
    job = job_of(model)
    weights = fetch_weights(store, job, settings.work_dir / "weights")
    if expected := recipe_differs(job.spec.recipe, RECIPE):
        logger.warning("%s version %d: %s", version.project, version.version, expected)
    # Not in the folder of an attempt by another recipe: half of its epochs would be of that one.
    folder = RunFolder(settings.work_dir / "replays" / f"{model.run_key}-{RECIPE}")
    fetch_dataset(store, job.spec.snapshot_digest, folder.data, BlobCache.of(settings))
    take_as_many_at_a_time(folder.path, model)
    work = training_work(job, folder.path, folder.data, settings, weights)
    until_it_fits(
        folder.path,
        lambda: run_to_end(work, folder.path, on_event),
        lambda message: logger.warning("%s", message),
    )
    result = TrainingResult.model_validate_json((folder.path / files.RESULT).read_bytes())
    shutil.rmtree(folder.path, ignore_errors=True)
    return outcome_of(version, model, result)


def find_run(store: Store, request: ReplayRequest) -> tuple[ModelVersion, TrainedModel]:
    """Find a published version, and the run that it came from.

    Raises:
        BadRequest: there is no such version.
        NasflowError: its run is not in the store any more.
    """
    key = keys.model_card(request.project, request.version)
    version = find_record(store, key, ModelVersion)
    if version is None:
        raise BadRequest(
            f"project {request.project}: no version {request.version}; `nasflow models list` shows what there is"
        )
    model = find_model(store, version.run_key)
    if model is None:
        raise NasflowError(
            f"{request.project} version {request.version}: its run {version.run_key[:12]} is not in the store any "
            "more, so its settings are not known; retrain with the settings on its card"
        )
    return version, model


def job_of(model: TrainedModel) -> TrainJob:
    """The job that gave a model.

    Raises:
        BadWeights: it started from weights, and it was not recorded where they are.
    """
    start = model.result.start
    if start is None and model.spec.weights_sha256 is not None:
        raise BadWeights(
            f"run {model.run_key[:12]} started from weights with SHA-256 {model.spec.weights_sha256}, and did not "
            "record where they are; retrain with --weights FILE"
        )
    licence = start.licence if start else None
    return TrainJob(spec=model.spec, weights=start.source if start else "none", weights_licence=licence)


def take_as_many_at_a_time(folder: Path, model: TrainedModel) -> None:
    """Have the trainer take as many images at a time as before: sums round by that.

    Args:
        folder: The folder.
        model: The model to train again.
    """
    if model.result.micro_batch and read_fit(folder) is None:
        write_fit(folder, Fit(micro_batch=model.result.micro_batch))


def outcome_of(version: ModelVersion, model: TrainedModel, result: TrainingResult) -> ReplayOutcome:
    """Compare a replay with its version.

    Args:
        version: The version.
        model: The run that it came from. If that was trained again since, it tells nothing about the version.
        result: Result of the replay.

    Returns:
        The outcome.
    """
    is_known = model.weights.sha256 == version.weights.sha256
    return ReplayOutcome(
        project=version.project,
        version=version.version,
        run_key=version.run_key,
        weights_sha256=version.weights.sha256,
        replayed_sha256=result.weights_sha256,
        valid_map=model.result.best_map if is_known else None,
        replayed_map=result.best_map,
        differences=find_differences(model.result if is_known else None, result, model.spec.recipe, RECIPE),
        seconds=result.seconds,
    )
