"""Prefect surface of training: plan it, run it here or on another worker, detect, export, and train again."""

import os
import platform
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prefect import get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.runtime import flow_run

from tasks.errors import NasflowError
from tasks.orchestration.child_runs import run_child_flow
from tasks.orchestration.progress import ProgressBar, artifact_key, report_to_server
from tasks.orchestration.retries import step
from tasks.orchestration.run_watch import check_run
from tasks.records import (
    DetectionResult,
    EvaluateJob,
    EvaluationReport,
    LeaseHolder,
    ModelFormats,
    ModelVersion,
    ReplayOutcome,
    ReplayRequest,
    RetrainRequest,
    SnapshotDifference,
    SnapshotRef,
    TrainedModel,
    TrainJob,
)
from tasks.settings import WorkSettings, from_environment
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_dataset
from tasks.storage.probe_memory import probe_daily
from tasks.storage.runs import find_formats, find_model, find_older_runs, reuse_model
from tasks.storage.s3 import Store
from tasks.training.coco_weights import with_coco_in_store
from tasks.training.contract.events import BatchesDone, Event
from tasks.training.detection_in_store import detect_in_store
from tasks.training.export_in_store import export_in_store
from tasks.training.initial_weights import require_in_store
from tasks.training.progress import TrainingProgress
from tasks.training.replay import REPLAY, in_words, replay_markdown, replay_row
from tasks.training.replay_in_store import replay_in_store
from tasks.training.run_folder import RunFolder
from tasks.training.spec import (
    check_classes,
    check_study,
    fitted_batch,
    older_run_in_words,
    plan,
    reason_not_to_skip,
    reason_to_skip,
)
from tasks.training.training_in_store import train_in_store

PROCESS = uuid.uuid4().hex
"""Token of this process, since process ids repeat."""


@step("plan training")
def plan_training(request: RetrainRequest, snapshot: SnapshotRef, champion: ModelVersion | None) -> TrainJob:
    """Turn request and labels into the spec that decides everything.

    Args:
        request: What was asked for.
        snapshot: The labels.
        champion: The project's champion, if it has one.

    Returns:
        The spec, and where its initial weights are.
    """
    check_classes(request, snapshot, champion)
    store = Store.from_environment()
    request = with_coco_in_store(store, request, from_environment(WorkSettings), ProgressBar("bytes").show)
    job = plan(request, snapshot, champion)
    require_in_store(store, job)
    if fitted := fitted_batch(request, job):
        get_run_logger().warning(fitted)
    get_run_logger().info("run %s: YOLO-NAS %s, %d epochs", job.spec.digest[:12], job.spec.variant, job.spec.epochs)
    if find_model(store, job.spec.digest) is None:
        for recipe, older in find_older_runs(store, job.spec).items():
            get_run_logger().info("%s", older_run_in_words(job.spec, recipe, older))
    return job


@step("check study")
def require_study(request: RetrainRequest) -> None:
    """Refuse a study that would say nothing about the labels, before anything is trained."""
    check_study(request)


@step("look for a reason to skip")
def find_reason_to_skip(job: TrainJob, champion: ModelVersion | None, changes: SnapshotDifference | None) -> str | None:
    """See whether training could bring anything new.

    Args:
        job: The planned run.
        champion: The project's champion, if it has one.
        changes: What changed in the labels since the champion was trained.

    Returns:
        Why training would bring nothing new, in a sentence; None if it may.
    """
    if champion is None or changes is None or not changes.is_empty:
        return None
    model = find_model(Store.from_environment(), champion.run_key)
    if model is None:
        return None
    reason = reason_to_skip(job.spec, model.spec, champion.version)
    if said := reason or reason_not_to_skip(job.spec, model.spec, champion.version):
        get_run_logger().info("%s", said)
    return reason


@step("train on a GPU worker")
def train_on_worker(job: TrainJob, evaluation: EvaluateJob, baseline: EvaluateJob | None = None) -> TrainedModel:
    """Run the train deployment, and read the model from the store.

    Args:
        job: What to train.
        evaluation: How the worker measures the model right afterwards. A model of an earlier run is not measured.
        baseline: How it measures the model that this one will be compared with; None if there is none.

    Returns:
        The model.

    Raises:
        NasflowError: the run ended without a model; or the error that it failed with.
    """
    store = Store.from_environment()
    if model := reuse_model(store, job.spec.digest):
        get_run_logger().info("run %s is finished already; its model is used again", job.spec.digest[:12])
        return model
    job = job.model_copy(update={"evaluation": evaluation, "baseline": baseline})
    run_child_flow("train/train", {"job": job.model_dump(mode="json")})
    model = find_model(store, job.spec.digest)
    if model is None:
        raise NasflowError(f"run {job.spec.digest[:12]}: the train run completed without a model; look at its logs")
    return model


@step("fetch images")
def fetch_images(job: TrainJob) -> None:
    """Bring the labels' images to this machine, those that it does not have yet, unless the run is finished already."""
    store, settings = Store.from_environment(), from_environment(WorkSettings)
    if find_model(store, job.spec.digest) is None:
        folder = RunFolder.of(settings, job.spec.digest)
        fetch_dataset(store, job.spec.snapshot_digest, folder.data, BlobCache.of(settings), ProgressBar("images").show)


@step("train")
def train_model(job: TrainJob) -> TrainedModel:
    """Train on this machine, and show every epoch."""
    store, settings = Store.from_environment(), from_environment(WorkSettings)
    probe_daily(store, settings.work_dir)
    with _shown_training(job.spec.digest) as on_event:
        return train_in_store(store, job, lease_holder(), settings, on_event)


@step("train again")
def replay_version(request: ReplayRequest) -> ReplayOutcome:
    """Train a published version again on this machine, show every epoch, and compare the weights."""
    with _shown_training(f"{request.project}-{request.version}") as on_event:
        return replay_in_store(Store.from_environment(), request, from_environment(WorkSettings), on_event)


@step("show the replay")
def show_replay(outcome: ReplayOutcome) -> ReplayOutcome:
    """Show in Prefect whether the weights are the same, and what may explain it if not."""
    get_run_logger().info("%s", in_words(outcome))
    report_to_server(lambda: create_table_artifact([replay_row(outcome)], REPLAY, "Outcome of the replay"))
    key = artifact_key("replay", outcome.project)
    report_to_server(lambda: create_markdown_artifact(replay_markdown(outcome), key, "Whether it comes out the same"))
    return outcome


@contextmanager
def _shown_training(name: str) -> Iterator[Callable[[Event], None]]:
    """Show the events of a trainer in Prefect, and end it when the flow run has to end.

    Args:
        name: Run key, or whatever else the artifacts are named after.
    """
    progress = TrainingProgress(name)

    def on_event(event: Event) -> None:
        check_run()
        progress.on_event(event)

    try:
        yield on_event
    finally:
        progress.close()


def lease_holder() -> LeaseHolder:
    """This attempt of the flow run; Prefect counts how often it was started."""
    place = f"process {os.getpid()} on {platform.node()}"
    return LeaseHolder(flow_run=str(flow_run.id), attempt=flow_run.run_count, process=PROCESS, place=place)


@step("detect")
def detect_split(job: EvaluateJob) -> DetectionResult:
    """Detect on the images that a model is measured on and those that its thresholds are chosen on; measure latency."""
    return detect_in_store(Store.from_environment(), job, from_environment(WorkSettings), _show_batches())


@step("export")
def export_formats(report: EvaluationReport) -> ModelFormats:
    """Write a measured model in all formats, and measure each; files that are there already are used again."""
    store, logger = Store.from_environment(), get_run_logger()
    formats = find_formats(store, report)
    if formats and formats.is_final:
        logger.info("run %s is exported already", report.run_key[:12])
        return formats
    formats = export_in_store(store, report, from_environment(WorkSettings), _show_batches())
    names = ", ".join(one.name for one in formats.formats) or "nothing"
    logger.info("exported %s in %.1f s, measured on the %s split", names, formats.seconds, report.split)
    for name, reason in formats.refused.items():
        logger.warning("%s is not published: %s", name, reason)
    return formats


def _show_batches() -> Callable[[Event], None]:
    """Show the batches of images that a process has done."""
    bar = ProgressBar("batches of images")

    def on_event(event: Event) -> None:
        check_run()
        if isinstance(event, BatchesDone):
            bar.show(event.done, event.total)

    return on_event
