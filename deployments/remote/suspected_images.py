"""The images of a published version whose labels its report suspects to be wrong."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from deployments.remote.models import find_named
from tasks.errors import BadInput, NotInStore
from tasks.evaluation.in_store import find_evaluation
from tasks.evaluation.page_in_store import read_detections, read_evaluation
from tasks.evaluation.report.suspected_images import SuspectedImage, group_by_image
from tasks.records import (
    DatasetSnapshot,
    DetectedObject,
    EvaluateJob,
    EvaluationReport,
    ModelVersion,
    StoredFile,
    ThresholdGoal,
)
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store


@dataclass(frozen=True)
class SuspectedLabels:
    """What a version's report says about the labels that the version was measured on."""

    version: ModelVersion
    report: EvaluationReport
    snapshot: DatasetSnapshot
    measured_on: str
    images: Sequence[SuspectedImage]
    """The most suspicious first."""

    @property
    def model(self) -> str:
        """``PROJECT/VERSION``."""
        return f"{self.version.project}/{self.version.version}"


def find_suspected_labels(store: Store, model: str, scratch: Path) -> SuspectedLabels:
    """Find the suspected label errors of a version.

    Args:
        store: The store that it is in.
        model: ``PROJECT`` for the champion, ``PROJECT/VERSION`` or ``PROJECT@ALIAS``.
        scratch: Folder for temporary files.

    Returns:
        The labels and the images.

    Raises:
        BadInput: there is no such version, or its report or labels are not in the store any more.
    """
    version = find_named(store, model)
    try:
        report = _find_report(store, version)
        snapshot = load_snapshot(store, version.snapshot_digest)
    except NotInStore:
        report = None
    if report is None:
        what = f"{version.project} version {version.version}: its report or labels are not in the store any more"
        raise BadInput(f"{what}; name a later version, as `nasflow models list` shows them")
    evaluation = read_evaluation(store, report, scratch)
    images = group_by_image(evaluation.analysis.suspected_errors, snapshot.of_split(report.split))
    return SuspectedLabels(version, report, snapshot, evaluation.measured_on, images)


def fetch_image(store: Store, image: SuspectedImage, folder: Path) -> Path:
    """Fetch an image's file, named after its content.

    Args:
        store: The store that it is in.
        image: The image.
        folder: Where the file is put.

    Returns:
        The file.
    """
    path, labelled = folder / image.labelled.sha256, image.labelled
    if not path.exists():
        store.download(StoredFile(key=keys.blob(labelled.sha256), sha256=labelled.sha256, size=labelled.size), path)
    return path


def detected_objects(store: Store, labels: SuspectedLabels, scratch: Path) -> dict[str, list[DetectedObject]]:
    """What the version detects from its threshold on.

    Args:
        store: The store that it is in.
        labels: The version, with its report.
        scratch: Folder for temporary files.

    Returns:
        By name of the image, the best first; images without detections are left out.
    """
    names = [image.file_name for image in labels.snapshot.of_split(labels.report.split)]
    objects = defaultdict(list)
    for one in read_detections(store, labels.report.detections, scratch):
        if one["score"] >= labels.report.scores.threshold:
            name = labels.snapshot.classes[one["category_id"] - 1]
            found = DetectedObject(class_name=name, score=one["score"], bbox=one["bbox"])
            objects[names[one["image_id"] - 1]].append(found)
    return {name: sorted(found, key=lambda one: -one.score) for name, found in objects.items()}


def _find_report(store: Store, version: ModelVersion) -> EvaluationReport | None:
    """The report whose scores the version's card has: the threshold may be chosen for several things."""
    model = find_model(store, version.run_key)
    if model is None:
        return None
    for goal in get_args(ThresholdGoal):
        job = EvaluateJob(
            run_key=version.run_key,
            snapshot_digest=version.snapshot_digest,
            split=version.split,
            threshold_for=goal,
            scoring=version.scoring,
        )
        report = find_evaluation(store, job, model)
        if report and report.scores == version.scores:
            return report
    return None
