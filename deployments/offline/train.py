"""``nasflow train``: training on an export, in a folder, without Prefect or a store."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deployments.offline.export_reading import read_export
from deployments.terminal.console import progress_bar, say
from deployments.terminal.training_view import training_view
from tasks.errors import BadRequest
from tasks.labeling.inspection import Inspection, require_snapshot
from tasks.local import dataset_folder
from tasks.local.files import file_sha256, publish_bytes
from tasks.records import DatasetSnapshot, LabelledImage, RetrainRequest, SnapshotRef, TrainingResult, TrainJob
from tasks.settings import WorkSettings
from tasks.training.coco_weights import COCO, CocoWeights
from tasks.training.contract import files
from tasks.training.contract.fit import until_it_fits
from tasks.training.contract.job import TrainingWork
from tasks.training.launch import training_work
from tasks.training.spec import fitted_batch, plan
from tasks.training.trainer_jobs import trainer_process

SHOWN = {
    "run_key", "epochs_done", "best_epoch", "best_map", "ended", "seconds", "images_per_second",
    "weights_sha256", "resumed_from_epoch", "device", "still_rising", "micro_batch", "shortages",
    "peak_memory_bytes", "start",
}  # fmt: skip
"""Fields of the result that the document has."""


def train(export: Path, out: Path, request: RetrainRequest, settings: WorkSettings) -> dict[str, Any]:
    """Train on an export; the same again resumes, or does nothing after the end.

    Args:
        export: Folder or zip.
        out: Folder for what the run writes.
        request: Options of the training.
        settings: Settings of this machine.

    Returns:
        The result of the training as JSON would have it, and paths of the history and the best weights.

    Raises:
        BadExport: the export cannot be trained on.
        BadRequest: an option does not fit the labels or this machine, or the folder is that of another run.
        BadWeights: the COCO weights are not where they should be.
        WeightsUnavailable: the server of the COCO weights does not answer.
        TrainingFailed: the training ended without a model, or was stopped on request.
    """
    request, find_weights = _initial_weights(request, settings)
    with read_export(export, request.rules) as inspection:
        snapshot = require_snapshot(inspection)
        job = plan(request, SnapshotRef.of(snapshot), None)
        _warn(snapshot, request, job)
        _claim_folder(out, job)
        dataset_folder.fill(out / files.DATASET, snapshot, _copier(inspection))
    work = training_work(job, out, out / files.DATASET, settings, find_weights())
    until_it_fits(out, lambda: _run_trainer(work, snapshot), lambda line: say(f"warning: {line}"))
    return _document(out)


def _initial_weights(
    request: RetrainRequest, settings: WorkSettings
) -> tuple[RetrainRequest, Callable[[], Path | None]]:
    """The request with the SHA-256 of its weights, and a function that brings the file to this machine."""
    if request.weights == "none":
        return request, lambda: None
    if request.weights == "champion":
        raise BadRequest("--weights: champion is known to a store alone; give a file, coco, or none")
    if request.weights == COCO:
        coco = CocoWeights.of(request, settings)
        return coco.named_in(request, coco.download.address), lambda: _fetch(coco)
    path = Path(request.weights)
    if not path.is_file():
        raise BadRequest(f"--weights {path}: no such file; correct the path, or leave it out")
    sha256 = file_sha256(path)
    if request.weights_sha256 not in (None, sha256):
        raise BadRequest(f"--weights {path}: SHA-256 is {sha256}, not {request.weights_sha256}; fetch the file again")
    return request.model_copy(update={"weights_sha256": sha256}), lambda: path


def _fetch(coco: CocoWeights) -> Path:
    """Fetch COCO weights, unless this machine has them."""
    if not coco.download.path.exists():
        say(f"fetching {coco.download.address}")
    with progress_bar("weights") as bar:
        return coco.fetch(bar.show)


def _warn(snapshot: DatasetSnapshot, request: RetrainRequest, job: TrainJob) -> None:
    """Say which labels or options are not used as they are."""
    for finding in snapshot.findings:
        if finding.severity == "warning":
            say(f"warning: {finding.message}")
    if fitted := fitted_batch(request, job):
        say(f"warning: {fitted}")


def _claim_folder(out: Path, job: TrainJob) -> None:
    """Write spec.json, unless the folder holds another run."""
    path = out / files.SPEC
    if path.exists():
        existing = files.read_spec(path)
        if existing.digest == job.spec.digest:
            return
        raise BadRequest(f"--out {out}: {files.another_run(existing.digest, existing, job.spec)}, or its options")
    try:
        out.mkdir(parents=True, exist_ok=True)
        publish_bytes(path, job.spec.model_dump_json(indent=1).encode())
    except OSError as error:
        raise BadRequest(f"--out {out}: {error.strerror}; name a folder that can be written") from None


def _copier(inspection: Inspection) -> Callable[[LabelledImage, Path], None]:
    """A function that copies an image of the export to a path."""

    def copy(image: LabelledImage, path: Path) -> None:
        temporary = path.with_suffix(".tmp")
        shutil.copyfile(inspection.files[image.sha256], temporary)
        temporary.replace(path)

    return copy


def _run_trainer(work: TrainingWork, snapshot: DatasetSnapshot) -> None:
    """Train in a process of its own, showing its events; on Ctrl-C it writes a checkpoint first."""
    with (
        training_view(work.spec, snapshot.counts()) as view,
        trainer_process(work, work.out) as trainer,
    ):
        try:
            for event in trainer.events():
                view.show(event)
        except KeyboardInterrupt:
            trainer.stop()
            for event in trainer.events():  # the last ones say how to go on
                view.show(event)
        trainer.result()


def _document(out: Path) -> dict[str, Any]:
    result = TrainingResult.model_validate_json((out / files.RESULT).read_bytes())
    document = result.model_dump(mode="json", include=SHOWN)
    return {**document, "history": str(out / files.HISTORY), "weights": str(out / files.BEST)}
