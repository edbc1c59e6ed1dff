"""Prefect surface of promotion for runs about published versions: one is found, and two are compared."""

from tasks.errors import NotInStore
from tasks.orchestration.retries import step
from tasks.promotion import pairs
from tasks.promotion.champion import find_current_champion
from tasks.records import (
    CompareRequest,
    Comparison,
    DetectRequest,
    EvaluationReport,
    ModelVersion,
    SnapshotRef,
    TrainedModel,
)
from tasks.settings import WorkSettings, from_environment
from tasks.storage.s3 import Store


@step("find the model")
def find_published(request: DetectRequest) -> ModelVersion:
    """Find the version that a request names, or the champion.

    Raises:
        NotInStore: there is none.
    """
    if request.version is not None:
        return pairs.require_version(Store.from_environment(), request.project, request.version)
    if champion := find_current_champion(Store.from_environment(), request.project):
        return champion
    raise NotInStore(f"{request.project} has no champion; name a version, or promote one with `nasflow models promote`")


@step("find the versions")
def find_versions(request: CompareRequest) -> tuple[ModelVersion, ModelVersion, SnapshotRef]:
    """Find two versions to compare, and the labels of the second.

    Raises:
        NotInStore: one of them is not published, or the labels are gone.
    """
    return pairs.find_pair(Store.from_environment(), request)


@step("find the run of a version")
def find_run_of(version: ModelVersion, snapshot: SnapshotRef) -> TrainedModel:
    """Find the run that a version came from, to measure it on a snapshot.

    Raises:
        NasflowError: it cannot be measured on these labels.
    """
    return pairs.require_run(Store.from_environment(), version, snapshot)


@step("compare versions")
def compare_versions(report: EvaluationReport, baseline_report: EvaluationReport, baseline: ModelVersion) -> Comparison:
    """Compare a version with a baseline on the same images.

    Args:
        report: Report of the version.
        baseline_report: Report of the baseline on the same split.
        baseline: The version to compare with.

    Returns:
        The comparison.

    Raises:
        NasflowError: the baseline was trained on all of the images.
    """
    scratch = from_environment(WorkSettings).work_dir / "scratch"
    return pairs.compare_pair(Store.from_environment(), report, baseline_report, baseline, scratch)
