"""The comparison of two models from what they found, which is in the store."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks import metrics
from tasks.errors import BadInput
from tasks.images.source_names import source_name
from tasks.local.scratch import scratch_folder
from tasks.records import Comparison, EvaluationReport, LabelledImage, ModelVersion
from tasks.storage.datasets import load_snapshot
from tasks.storage.s3 import Store

Document = dict[str, Any]


def compare_in_store(
    store: Store,
    candidate: EvaluationReport,
    champion_report: EvaluationReport,
    champion: ModelVersion,
    confidence_level: float,
    scratch: Path,
) -> Comparison | None:
    """Compare two models on the images that both were measured on.

    Images that the champion was trained on are left out for both: a new version of the labels may have divided them
    anew, and a model knows its training images by heart.

    Args:
        store: Where detections and snapshots are.
        candidate: Report of the new weights.
        champion_report: Report of the champion's on the same images.
        champion: The version in use.
        confidence_level: What the gate asks for, a fraction.
        scratch: Folder for passing files.

    Returns:
        None if no labelled image is left.
    """
    snapshot = load_snapshot(store, candidate.snapshot_digest)
    images = snapshot.of_split(candidate.split)
    known = _known(load_snapshot(store, champion.snapshot_digest).of_split("train"))
    kept = {number for number, image in enumerate(images, start=1) if not _marks(image) & known}
    truth = _only(metrics.coco_truth(images, snapshot.classes), kept)
    found = [_detections(store, report, kept, scratch) for report in (champion_report, candidate)]
    try:
        before, after = (metrics.Matches(truth, detections) for detections in found)
    except BadInput:
        return None
    return metrics.compare(before, after, champion.version, confidence_level, left_out=len(images) - len(kept))


def _known(images: tuple[LabelledImage, ...]) -> set[str]:
    return set().union(*(_marks(image) for image in images))


def _marks(image: LabelledImage) -> set[str]:
    """What tells an image again: its bytes, and for Roboflow's copies its name before ``.rf.``."""
    source = source_name(image.file_name)
    return {image.sha256, source} if source != image.file_name else {image.sha256}


def _only(truth: Mapping[str, Any], kept: set[int]) -> Document:
    return {
        **truth,
        "images": [image for image in truth["images"] if image["id"] in kept],
        "annotations": [box for box in truth["annotations"] if box["image_id"] in kept],
    }


def _detections(store: Store, report: EvaluationReport, kept: set[int], scratch: Path) -> list[Document]:
    with scratch_folder(scratch) as folder:
        path = folder / "detections.json"
        store.download(report.detections, path)
        return [one for one in json.loads(path.read_bytes()) if one["image_id"] in kept]
