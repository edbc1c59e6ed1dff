"""A published model without a training run: made-up weights, scores and page, in a real registry."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from tasks.promotion.aliases import move_alias
from tasks.promotion.registry import Publication, publish
from tasks.records import (
    FORMAT_FILES,
    Agreement,
    AliasMove,
    EvaluationReport,
    Int8Speed,
    ModelFormat,
    ModelFormats,
    ModelVersion,
    PromotionDecision,
    SplitCounts,
    StoredFile,
    TrainedModel,
    TrainingResult,
    TrainingSpec,
)
from tasks.storage.s3 import Store
from tests.fakes.scores import scores

SNAPSHOT = "1" * 64
AGREEMENT = Agreement(
    images=3, detections=8, unmatched=0, map=0.5, map_difference=0, box_difference=1e-4, score_difference=1e-6
)
INT8_SPEED = Int8Speed(
    runtime="openvino 2026.4.1", machine="AMD EPYC", threads=2, latency_ms=22.4, fp32_latency_ms=38.8
)


def stored(content: bytes) -> StoredFile:
    return StoredFile(key="runs/x", sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def publish_one(
    store: Store,
    folder: Path,
    formats: Mapping[str, bytes] | None = None,
    weights: bytes = b"weights",
    expected: int | None = None,
    snapshot: str = SNAPSHOT,
) -> ModelVersion:
    """Publish a version of project fruit, and make it the champion; onnx-nms is refused unless it is given."""
    weights_path, page = folder / "weights.safetensors", folder / "page.html"
    weights_path.write_bytes(weights)
    page.write_bytes(b"<html>")
    spec = TrainingSpec(
        snapshot_digest=snapshot, classes=("apple", "pear"), variant="s", epochs=2, image_size=64, batch_size=2,
        learning_rate=1e-3, patience=2, seed=expected or 0,
    )  # fmt: skip
    result = TrainingResult(
        run_key=spec.digest, epochs_done=2, best_epoch=1, best_map=0.5, ended="epochs", seconds=1, images_per_second=1,
        weights_sha256=stored(weights).sha256, resumed_from_epoch=None, device="cpu",
    )  # fmt: skip
    model = TrainedModel(
        run_key=spec.digest, spec=spec, result=result, weights=stored(weights), history=stored(b"{}\n")
    )
    report = EvaluationReport(
        weights_sha256=model.weights.sha256, run_key=model.run_key, snapshot_digest=snapshot, split="test",
        counts=SplitCounts(images=3, boxes=4, background=0),
        scores=scores(0.5, map50=0.6, precision=1, recall=1, threshold=0.5),
        detections=stored(b"[]"), evaluation=stored(b"{}"),
    )  # fmt: skip
    decision = PromotionDecision(
        promote=True, verdict="promote", reason="First.", candidate_map=0.5, champion_map=None, champion_version=None
    )
    paths = {name: folder / FORMAT_FILES[name] for name in formats or {}}
    for name, path in paths.items():
        path.write_bytes((formats or {})[name])
    measured = ModelFormats(
        run_key=model.run_key, weights_sha256=model.weights.sha256, threshold=0.5, seconds=1,
        formats=tuple(
            ModelFormat(
                name=name,
                agreement=AGREEMENT,
                speed=INT8_SPEED if name == "onnx-int8" else None,
                file=stored(path.read_bytes()),
            )
            for name, path in paths.items()
        ),
        refused={} if "onnx-nms" in paths else {"onnx-nms": "9 of 9 detections differ"},
    )  # fmt: skip
    publication = Publication("fruit", model, report, decision, weights_path, page, measured, paths)
    card = publish(store, publication, now)
    move = AliasMove(version=card.version, at=now(), reason=decision.reason)
    move_alias(store, "fruit", "champion", move, expected)
    return card


def now() -> datetime:
    return datetime.now(UTC)
