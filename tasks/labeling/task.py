"""Prefect tasks of labeling: fetching an export, checking it into a snapshot, subsets and comparison of snapshots."""

from collections.abc import Sequence

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact

from tasks.errors import NotInStore
from tasks.labeling.difference import difference, in_words
from tasks.labeling.in_store import check_to_store, export_to_store, subset_to_store
from tasks.orchestration.progress import ProgressBar, report_to_server
from tasks.orchestration.retries import step
from tasks.records import LabelExport, LabelRules, ModelVersion, RetrainRequest, SnapshotDifference, SnapshotRef
from tasks.settings import RoboflowSettings, WorkSettings, from_environment
from tasks.storage.datasets import load_snapshot
from tasks.storage.probe_memory import probe_daily
from tasks.storage.s3 import Store


@step("export labels")
def export_labels(request: RetrainRequest) -> LabelExport:
    """Bring the labels that the request names into the store, as one zip, after probing the store."""
    store, work_dir = Store.from_environment(), from_environment(WorkSettings).work_dir
    probe_daily(store, work_dir)
    bar = ProgressBar("labels")
    export = export_to_store(store, request, lambda: from_environment(RoboflowSettings), work_dir / "scratch", bar.show)
    version = f" version {export.source.version}" if export.source.version else ""
    get_run_logger().info("labels: %s%s, zip of %.1f MB", export.source.name, version, export.size / 1e6)
    return export


@step("check labels")
def check_labels(export: LabelExport, rules: LabelRules, champion: ModelVersion | None) -> SnapshotRef:
    """Check the export, and freeze its labels as a snapshot in the store.

    Args:
        export: The zip in the store.
        rules: How to read the labels.
        champion: If it has the same classes, they are brought into its order.

    Returns:
        Reference to the snapshot.
    """
    scratch = from_environment(WorkSettings).work_dir / "scratch"
    bar = ProgressBar("images checked")
    snapshot = check_to_store(
        Store.from_environment(), export, scratch, bar.show, rules, champion.classes if champion else ()
    )
    for split, counts in snapshot.splits.items():
        get_run_logger().info(
            "%s: %d images of %d sources, %d boxes, %d without boxes",
            split,
            counts.images,
            counts.sources,
            counts.boxes,
            counts.background,
        )
    if snapshot.findings:
        rows = [finding.model_dump(include={"code", "severity", "count", "message"}) for finding in snapshot.findings]
        title = "Findings of the check of the labels"
        report_to_server(lambda: create_table_artifact(rows, "label-findings", title))
    return snapshot


@step("take a subset of the labels")
def take_subset(snapshot: SnapshotRef, share: float, shares: Sequence[float]) -> SnapshotRef:
    """The same labels with a share of the training images.

    Args:
        snapshot: All labels.
        share: Fraction in [0, 1] of the training sources.
        shares: All shares of the study, for the log.

    Returns:
        Reference to the smaller snapshot.
    """
    subset = subset_to_store(Store.from_environment(), snapshot, share)
    train, run = subset.splits["train"], list(shares).index(share) + 1
    get_run_logger().info(
        "study: %.0f %%, %d images of %d sources, run %d of %d",
        100 * share,
        train.images,
        train.sources,
        run,
        len(shares),
    )
    return subset


@step("compare labels")
def compare_labels(snapshot: SnapshotRef, champion: ModelVersion | None) -> SnapshotDifference | None:
    """What changed since the champion's labels; None without a champion, or if its labels are gone."""
    if champion is None:
        return None
    store = Store.from_environment()
    after = load_snapshot(store, snapshot.snapshot_digest)
    try:
        before = load_snapshot(store, champion.snapshot_digest)
    except NotInStore as error:
        get_run_logger().warning("labels of version %d are not compared with: %s", champion.version, error)
        return None
    changes = difference(before, after)
    get_run_logger().info("since version %d: %s", champion.version, in_words(changes))
    rows = [{"class": name, **counts.model_dump()} for name, counts in changes.boxes.items()]
    title = f"Boxes by class since version {champion.version}; {in_words(changes)}"
    report_to_server(lambda: create_table_artifact(rows, "label-changes", title))
    return changes
