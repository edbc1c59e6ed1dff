"""The comparison of candidate and champion, from their detections in the store."""

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

    Images that the champion was trained on are left out for both models: a new version of the labels may have moved
    them to another split, and a model scores too high on its training images.

    Args:
        store: Store with detections and snapshots.
        candidate: Report of the candidate.
        champion_report: Report of the champion on the same images.
        champion: The version in use.
        confidence_level: Confidence level that the gate asks for, a fraction.
        scratch: Folder for temporary files.

    Returns:
        The comparison, or None if no labelled image is left.
    """
    snapshot = load_snapshot(store, candidate.snapshot_digest)
    images = snapshot.of_split(candidate.split)
    training_images = load_snapshot(store, champion.snapshot_digest).of_split("train")
    training_identities = set().union(*(_identities(image) for image in training_images))
    kept = {image_id for image_id, image in enumerate(images, start=1) if not _identities(image) & training_identities}
    ground_truth = _of_images(metrics.coco_ground_truth(images, snapshot.classes), kept)
    try:
        champion_matches, candidate_matches = (
            metrics.Matches(ground_truth, _detections(store, report, kept, scratch))
            for report in (champion_report, candidate)
        )
    except BadInput:
        return None
    left_out = len(images) - len(kept)
    return metrics.compare(champion_matches, candidate_matches, champion.version, confidence_level, left_out=left_out)


def _identities(image: LabelledImage) -> set[str]:
    """What an image is recognised by: its bytes, and for Roboflow's copies its name before ``.rf.``."""
    source = source_name(image.file_name)
    return {image.sha256, source} if source != image.file_name else {image.sha256}


def _of_images(ground_truth: Mapping[str, Any], image_ids: set[int]) -> Document:
    return {
        **ground_truth,
        "images": [image for image in ground_truth["images"] if image["id"] in image_ids],
        "annotations": [box for box in ground_truth["annotations"] if box["image_id"] in image_ids],
    }


def _detections(store: Store, report: EvaluationReport, image_ids: set[int], scratch: Path) -> list[Document]:
    with scratch_folder(scratch) as folder:
        path = folder / "detections.json"
        store.download(report.detections, path)
        return [result for result in json.loads(path.read_bytes()) if result["image_id"] in image_ids]
