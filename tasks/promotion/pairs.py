"""Two versions of a project that a person compares: from the registry, measured on the labels of the second."""

from pathlib import Path

from tasks.errors import NasflowError, NotInStore
from tasks.promotion.champion import find_champion_run
from tasks.promotion.comparison import compare_in_store
from tasks.promotion.registry import find_version
from tasks.records import (
    CompareRequest,
    Comparison,
    EvaluationReport,
    GatePolicy,
    ModelVersion,
    SnapshotRef,
    TrainedModel,
)
from tasks.storage.datasets import load_snapshot
from tasks.storage.s3 import Store


def find_pair(store: Store, request: CompareRequest) -> tuple[ModelVersion, ModelVersion, SnapshotRef]:
    """Find two versions, and the labels of the second.

    Args:
        store: Store of the registry.
        request: Names the versions.

    Returns:
        Baseline, version, and labels.

    Raises:
        NotInStore: one of them is not published, or the labels are gone.
    """
    baseline, version = (
        require_version(store, request.project, number) for number in (request.baseline, request.version)
    )
    return baseline, version, SnapshotRef.of(load_snapshot(store, version.snapshot_digest))


def require_version(store: Store, project: str, number: int) -> ModelVersion:
    """Find a version that must be published.

    Args:
        store: Store of the registry.
        project: Project of the model.
        number: Number of the version.

    Returns:
        Its card.

    Raises:
        NotInStore: it is not published.
    """
    version = find_version(store, project, number)
    if version is None:
        raise NotInStore(f"{project} has no version {number}; `nasflow models list` shows the published versions")
    return version


def require_run(store: Store, version: ModelVersion, snapshot: SnapshotRef) -> TrainedModel:
    """Find the run that a version came from.

    Args:
        store: Store of the run.
        version: The version.
        snapshot: The labels to measure it on.

    Returns:
        The run.

    Raises:
        NasflowError: it cannot be measured on these labels.
    """
    run, obstacle = find_champion_run(store, version, snapshot)
    if run is None:
        raise NasflowError(f"{version.project} version {version.version} cannot be measured: {obstacle}")
    return run


def compare_pair(
    store: Store, report: EvaluationReport, baseline_report: EvaluationReport, baseline: ModelVersion, scratch: Path
) -> Comparison:
    """Compare a version with a baseline on the same images.

    Args:
        store: Store with detections and snapshots.
        report: Report of the version.
        baseline_report: Report of the baseline on the same split.
        baseline: The version to compare with.
        scratch: Folder for temporary files.

    Returns:
        The comparison.

    Raises:
        NasflowError: the baseline was trained on all of the images.
    """
    level = GatePolicy().confidence_level
    comparison = compare_in_store(store, report, baseline_report, baseline, level, scratch)
    if comparison is None:
        raise NasflowError(
            f"{baseline.project} version {baseline.version} was trained on all labelled images of the {report.split} "
            "split, so there is none to compare on; label new images for it"
        )
    return comparison
