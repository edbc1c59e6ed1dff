"""Verbs that need neither server nor store: check, train and score."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deployments.offline.export_reading import read_export
from deployments.terminal.console import say
from deployments.terminal.training_view import training_view
from tasks.errors import BadRequest
from tasks.labeling.inspection import Inspection, require_snapshot
from tasks.labeling.page.page import write_page
from tasks.local import dataset_folder
from tasks.local.files import file_sha256, publish_bytes
from tasks.records import (
    DatasetSnapshot,
    LabelledImage,
    LabelRules,
    RetrainRequest,
    SnapshotRef,
    ThresholdGoal,
    TrainingResult,
    TrainJob,
)
from tasks.settings import WorkSettings
from tasks.training import files
from tasks.training.fit import until_it_fits
from tasks.training.launch import TRAIN, TrainerProcess, train_arguments
from tasks.training.spec import fitted_batch, plan


def check(export: Path, rules: LabelRules, report: Path | None = None) -> dict[str, Any]:
    """Read a labelled export, and tell what it is and what is wrong with it."""
    with read_export(export, rules) as inspection:
        if report is not None:
            _write_page(report, inspection, export)
    return {
        "ok": inspection.snapshot is not None,
        "format": inspection.format,
        "classes": list(inspection.classes),
        "digest": inspection.snapshot.digest if inspection.snapshot else None,
        "splits": {split: counts.model_dump() for split, counts in inspection.splits.items()},
        "findings": [finding.model_dump(mode="json") for finding in inspection.findings],
    }


def _write_page(path: Path, inspection: Inspection, export: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_page(path, inspection, export.name)
    except OSError as error:
        raise BadRequest(f"--report {path}: {error.strerror}; name a file that can be written") from None
    say(f"page: {path}")


def train(export: Path, out: Path, request: RetrainRequest, settings: WorkSettings) -> dict[str, Any]:
    """Train on an export without Prefect or a store; the same again goes on where it was."""
    request = _find_weights(request)
    with read_export(export, request.rules) as inspection:
        snapshot = require_snapshot(inspection)
        job = plan(request, SnapshotRef.of(snapshot), None)
        _report_changes(snapshot, request, job)
        _claim_folder(out, job)
        dataset_folder.fill(out / files.DATASET, snapshot, _linker(inspection))
    weights = Path(job.weights) if job.spec.weights_sha256 else None
    arguments = train_arguments(out, out / files.DATASET, settings, weights, job)
    until_it_fits(out, lambda: _run_trainer(out, job, snapshot, arguments), lambda line: say(f"warning: {line}"))
    return _train_document(out)


def _run_trainer(out: Path, job: TrainJob, snapshot: DatasetSnapshot, arguments: list[str]) -> None:
    """Train in a process of its own, showing what it tells; Ctrl-C has it write a checkpoint first."""
    with (
        training_view(job.spec, snapshot.counts()) as view,
        TrainerProcess(TRAIN, arguments, out / files.LOG) as trainer,
    ):
        try:
            for event in trainer.events():
                view.show(event)
        except KeyboardInterrupt:
            trainer.stop()
            for event in trainer.events():  # its last word is how to go on
                view.show(event)
        trainer.result()


def _report_changes(snapshot: DatasetSnapshot, request: RetrainRequest, job: TrainJob) -> None:
    """Say what of the labels or the request is not used as it was given."""
    for finding in snapshot.findings:
        if finding.severity == "warning":
            say(f"warning: {finding.message}")
    if fitted := fitted_batch(request, job):
        say(f"warning: {fitted}")


def _find_weights(request: RetrainRequest) -> RetrainRequest:
    """The request with the SHA-256 of its weights file."""
    if request.weights == "none":
        return request
    if request.weights == "champion":
        raise BadRequest("--weights: champion is known to a store alone; give a file, or none")
    path = Path(request.weights)
    if not path.is_file():
        raise BadRequest(f"--weights {path}: no such file; correct the path, or leave it out")
    return request.model_copy(update={"weights_sha256": file_sha256(path)})


def _claim_folder(out: Path, job: TrainJob) -> None:
    """Write spec.json, unless the folder holds another run."""
    path = out / files.SPEC
    if path.exists():
        there = files.read_spec(path)
        if there.digest == job.spec.digest:
            return
        raise BadRequest(f"--out {out}: {files.another_run(there.digest, there, job.spec)}, or its options")
    try:
        out.mkdir(parents=True, exist_ok=True)
        publish_bytes(path, job.spec.model_dump_json(indent=1).encode())
    except OSError as error:
        raise BadRequest(f"--out {out}: {error.strerror}; name a folder that can be written") from None


def _linker(inspection: Inspection) -> Callable[[LabelledImage, Path], None]:
    def fetch(image: LabelledImage, path: Path) -> None:
        aside = path.with_suffix(".tmp")
        shutil.copyfile(inspection.files[image.sha256], aside)
        aside.replace(path)

    return fetch


def _train_document(out: Path) -> dict[str, Any]:
    result = TrainingResult.model_validate_json((out / files.RESULT).read_bytes())
    names = (
        "run_key", "epochs_done", "best_epoch", "best_map", "ended", "seconds", "images_per_second",
        "weights_sha256", "resumed_from_epoch", "device", "still_rising", "micro_batch", "shortages",
        "peak_memory_bytes", "start",
    )  # fmt: skip
    document = result.model_dump(mode="json", include=set(names))
    return {**document, "history": str(out / files.HISTORY), "weights": str(out / files.BEST)}


def score(truth_file: Path, detections_file: Path, out: Path, threshold_for: ThresholdGoal) -> dict[str, Any]:
    """Score COCO-format detections against COCO-format truth, and write report.html, report.json and the suspects."""
    from tasks import metrics
    from tasks.evaluation.coco_files import load_detections, load_truth
    from tasks.evaluation.measure import measure
    from tasks.evaluation.report.page import ReportContent, write_report
    from tasks.evaluation.report.suspected_errors import suspected_errors_csv
    from tasks.records import SplitCounts

    truth = load_truth(truth_file)
    detections = load_detections(detections_file, truth)
    matches = metrics.Matches(truth, detections)
    labelled = {annotation["image_id"] for annotation in truth["annotations"]}
    counts = SplitCounts(
        images=len(truth["images"]),
        boxes=len(truth["annotations"]),
        background=len(truth["images"]) - len(labelled),
    )
    evaluation = measure(matches, detections, metrics.choose_point(matches, threshold_for), truth_file.name, counts)
    facts = {"Truth": str(truth_file), "Detections": f"{detections_file}, {len(detections)} boxes"}
    page, numbers, suspected_errors = (out / name for name in ("report.html", "report.json", "suspected_errors.csv"))
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_report(page, ReportContent(title=detections_file.stem, evaluation=evaluation, facts=facts))
        publish_bytes(numbers, evaluation.model_dump_json(indent=1).encode())
        publish_bytes(suspected_errors, suspected_errors_csv(evaluation.analysis.suspected_errors).encode())
    except OSError as error:
        raise BadRequest(f"--out {out}: {error.strerror}; name a folder that can be written") from None
    return {
        **evaluation.scores.model_dump(mode="json"),
        "report": str(page),
        "numbers": str(numbers),
        "suspected_errors": str(suspected_errors),
    }
