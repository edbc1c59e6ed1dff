"""Finished training runs in a real store without any training: made-up weights, and detections of a chosen quality."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from deployments.demo.cartoons import draw_export
from tasks import metrics
from tasks.evaluation.in_store import evaluate_in_store, job_for
from tasks.labeling.in_store import check_to_store, export_to_store
from tasks.records import (
    FORMAT_FILES,
    DatasetSnapshot,
    DetectionResult,
    EvaluationReport,
    ModelFormat,
    ModelFormats,
    RetrainRequest,
    RunState,
    SnapshotRef,
    Split,
    StoredFile,
    TrainedModel,
    TrainingResult,
    TrainingSpec,
)
from tasks.settings import RoboflowSettings, WorkSettings
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot
from tasks.storage.documents import put_record
from tasks.storage.s3 import Store
from tasks.training.spec import plan
from tests.fakes.evaluations import epoch
from tests.fakes.lease_holders import holder
from tests.fakes.published import AGREEMENT
from tests.fakes.scores import speed


def stored_labels(store: Store, folder: Path, seed: int = 1) -> SnapshotRef:
    """Drawn images of cats and dogs, with twelve to test on."""
    draw_export(folder / f"labels-{seed}", seed, train=4, valid=3, test=12, size=64)
    request = RetrainRequest(project="pets", export=str(folder / f"labels-{seed}"))
    export = export_to_store(store, request, RoboflowSettings, folder / "scratch")
    return check_to_store(store, export, folder / "scratch")


def finished_run(
    store: Store, folder: Path, snapshot: SnapshotRef, seed: int, weights: bytes | None = None
) -> TrainedModel:
    """A finished run on these labels; each seed has its own weights, unless they are given."""
    spec = plan(RetrainRequest(project="pets", seed=seed), snapshot, None).spec
    return finished_run_of(store, folder, spec, weights or b"weights %d" % seed)


def finished_run_of(store: Store, folder: Path, spec: TrainingSpec, content: bytes) -> TrainedModel:
    """A finished run of a spec, with these bytes as weights."""
    put_record(store, keys.run_spec(spec.digest), spec)
    best = _upload(store, folder, content, lambda sha256: keys.run_weights(spec.digest, sha256))
    lines = epoch(1).model_dump_json().encode() + b"\n"
    history = _upload(store, folder, lines, lambda sha256: keys.run_history(spec.digest, sha256))
    result = TrainingResult(
        run_key=spec.digest, epochs_done=1, best_epoch=1, best_map=0.5, ended="epochs", seconds=1, images_per_second=1,
        weights_sha256=best.sha256, resumed_from_epoch=None, device="cpu",
    )  # fmt: skip
    model = TrainedModel(run_key=spec.digest, spec=spec, result=result, weights=best, history=history)
    state = RunState(
        run_key=spec.digest, status="finished", holder=holder("a test"), lease="a lease", lease_seconds=60, renewals=0,
        renewed_at=datetime.now(UTC), epochs_done=1, model=model,
    )  # fmt: skip
    put_record(store, keys.run_state(spec.digest), state)
    return model


def evaluated(
    store: Store, folder: Path, snapshot: SnapshotRef, model: TrainedModel, share: float, latency_ms: float = 20.0
) -> EvaluationReport:
    """Evaluate a model that detects this share of the labelled boxes of each image, and takes this long for it.

    Args:
        store: Store of the run.
        folder: For temporary files.
        snapshot: The labels to measure on.
        model: The finished run.
        share: Fraction of the test images whose boxes are detected.
        latency_ms: Measured time of one image.

    Returns:
        The report that is in the store.
    """
    labels = load_snapshot(store, snapshot.snapshot_digest)
    measured, valid = (_detect(store, folder, labels, model, split, share) for split in ("test", "valid"))
    detected = DetectionResult(measured=measured, valid=valid, speed=speed(latency_ms))
    return evaluate_in_store(store, job_for(model.run_key, snapshot), detected, WorkSettings(work_dir=folder / "work"))


def exported(store: Store, folder: Path, report: EvaluationReport) -> ModelFormats:
    """Store a made-up file of each format, so that a run has nothing left to export."""
    run_key = report.run_key
    formats = tuple(
        ModelFormat(
            name=name,
            agreement=AGREEMENT,
            file=_upload(store, folder, b"", partial(keys.format_file, run_key, name=file)),
        )
        for name, file in FORMAT_FILES.items()
    )
    record = ModelFormats(
        run_key=run_key, weights_sha256=report.weights_sha256, threshold=report.scores.threshold, formats=formats,
        refused={}, seconds=1,
    )  # fmt: skip
    put_record(store, keys.evaluation_formats(keys.evaluation_prefix(report.evaluation.key)), record)
    return record


def _detect(
    store: Store, folder: Path, labels: DatasetSnapshot, model: TrainedModel, split: Split, share: float
) -> StoredFile:
    truth = metrics.coco_ground_truth(labels.of_split(split), labels.classes)
    last = round(share * len(truth["images"]))
    results = [
        {"image_id": box["image_id"], "category_id": box["category_id"], "bbox": box["bbox"], "score": 0.9}
        for box in truth["annotations"]
        if box["image_id"] <= last
    ]
    digest = labels.digest
    return _upload(
        store, folder, json.dumps(results).encode(), lambda sha256: keys.detections(model.run_key, digest, sha256)
    )


def _upload(store: Store, folder: Path, content: bytes, key: Callable[[str], str]) -> StoredFile:
    path = folder / f"{hash(content)}.bin"
    path.write_bytes(content)
    return store.upload(path, key)
