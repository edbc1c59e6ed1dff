"""A published version in a real store, whose report suspects labels of the test images that are wrong indeed."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tasks.evaluation.in_store import evaluate_in_store, job_for
from tasks.promotion.aliases import move_alias
from tasks.promotion.registry import Publication, publish
from tasks.records import (
    AliasMove,
    Box,
    DatasetSnapshot,
    DetectionResult,
    LabelledImage,
    LabelSource,
    ModelVersion,
    PromotionDecision,
    Split,
)
from tasks.settings import WorkSettings
from tasks.storage import keys
from tasks.storage.datasets import save_snapshot
from tasks.storage.s3 import Store
from tests.fakes.datasets import CLASSES, draw
from tests.fakes.finished_runs import finished_run
from tests.fakes.scores import speed

SCORE, LOW_SCORE = 0.9, 0.2
SIDE = 64
FROM_ROBOFLOW = LabelSource(kind="roboflow", name="acme/pets", version=3)
FROM_FILE = LabelSource(kind="file", name="pets.zip")


def publish_with_errors(
    store: Store, folder: Path, names: Sequence[str], source: LabelSource, relabelled: frozenset[str] = frozenset()
) -> ModelVersion:
    """Publish a version of project pets that finds every drawn disc and square.

    Args:
        store: Where it is published, as the champion.
        folder: For temporary files.
        names: Names of the test images; in each a disc is not labelled, and its square is labelled a disc.
        source: Where the labels came from.
        relabelled: Names of images in which the square is labelled a square, and the disc still is not labelled.

    Returns:
        The version.
    """
    splits: dict[Split, Sequence[str]] = {"train": ["t0.png", "t1.png"], "valid": ["v0.png", "v1.png"], "test": names}
    drawn = {
        (split, name): draw((split, number), SIDE, 2)
        for split, split_names in splits.items()
        for number, name in enumerate(split_names)
    }
    images, files = [], {}
    for (split, name), (content, boxes) in drawn.items():
        sha256 = hashlib.sha256(content).hexdigest()
        files[sha256] = folder / sha256
        files[sha256].write_bytes(content)
        square = boxes[1] if name in relabelled else Box(0, *boxes[1][1:])
        labels = (square,) if split == "test" else boxes
        images.append(
            LabelledImage(
                file_name=name, split=split, sha256=sha256, size=len(content), width=SIDE, height=SIDE, boxes=labels
            )
        )
    snapshot = DatasetSnapshot(classes=CLASSES, images=tuple(images), source=source)
    reference = save_snapshot(store, snapshot, files)
    model = finished_run(store, folder, reference, seed=len(relabelled) + 1)
    results = [
        {"image_id": number, "category_id": box.class_index + 1, "score": score,
         "bbox": [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1]}
        for number, name in enumerate(names, start=1)
        for box in drawn["test", name][1]
        for score in (SCORE, LOW_SCORE)
    ]  # fmt: skip
    path = folder / "detections.json"
    path.write_text(json.dumps(results))
    stored = store.upload(path, lambda sha256: keys.detections(model.run_key, snapshot.digest, sha256))
    detected = DetectionResult(measured=stored, valid=stored, speed=speed(20.0))
    settings = WorkSettings(work_dir=folder / "work")
    report = evaluate_in_store(store, job_for(model.run_key, reference), detected, settings)
    decision = PromotionDecision(
        promote=True, verdict="promote", reason="First.", candidate_map=0.5, champion_map=None, champion_version=None
    )
    weights, page = folder / "weights.bin", folder / "page.html"
    weights.write_bytes(b"weights %d" % (len(relabelled) + 1))
    page.write_bytes(b"<html>")
    card = publish(store, Publication("pets", model, report, decision, weights, page), now)
    move = AliasMove(version=card.version, at=now(), reason="First.")
    move_alias(store, "pets", "champion", move, card.version - 1 or None)
    return card


def now() -> datetime:
    return datetime.now(UTC)
