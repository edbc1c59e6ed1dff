"""Labels into the store: the zip of an export, the snapshot of its labels, and subsets of snapshots."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from tasks.errors import BadExport, BadRequest, NotInStore
from tasks.labeling.difference import in_order
from tasks.labeling.formats import zips
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.labeling.roboflow.access import OnProgress
from tasks.labeling.roboflow.export import fetch_export
from tasks.labeling.roboflow.generation import GenerationRule
from tasks.labeling.roboflow.versions import VersionRequest
from tasks.labeling.subset import subset_of
from tasks.local.scratch import scratch_folder
from tasks.records import LabelExport, LabelRules, LabelSource, RetrainRequest, SnapshotRef, StoredFile, VersionCount
from tasks.settings import RoboflowSettings
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot, reuse_export, save_export, save_manifest, save_snapshot
from tasks.storage.documents import find_record, put_record
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)


def export_to_store(
    store: Store,
    request: RetrainRequest,
    roboflow: Callable[[], RoboflowSettings],
    scratch: Path,
    on_progress: OnProgress = lambda done, total, text: None,
) -> LabelExport:
    """Fetch the labels that a request names, and store them as one zip.

    Args:
        store: Where the zip goes.
        request: Names a Roboflow workspace, or an export.
        roboflow: Returns the settings of Roboflow; called only if they are needed.
        scratch: Folder for temporary files.
        on_progress: Called while Roboflow is waited for and the zip is downloaded.

    Returns:
        The export in the store.

    Raises:
        BadRequest: the request names both or neither.
        BadExport: there is no folder or zip at the given place.
        RoboflowRefused: Roboflow says no.
        RoboflowUnavailable: Roboflow does not answer, or not in time.
    """
    if (request.workspace is None) == (request.export is None):
        raise BadRequest(
            f"project {request.project}: labels come from a Roboflow workspace or from an export, "
            f"got {'neither' if request.export is None else 'both'}; give one of the two"
        )
    if request.export is not None and (stored_export := _find_stored(store, request.export, request.project)):
        return stored_export
    with scratch_folder(scratch) as folder:
        archive = folder / "export.zip"
        if request.workspace is not None:
            rule = _generation_rule(store, request.workspace, request.project, request.generate_after)
            version = VersionRequest(request.workspace, request.project, request.version, rule, request.query)
            source = fetch_export(roboflow(), version, archive, on_progress)
        else:
            source = _copy_export(store, request.export or "", archive)
        stored = save_export(store, archive)
    return LabelExport(source=source, key=stored.key, sha256=stored.sha256, size=stored.size)


def _generation_rule(store: Store, workspace: str, project: str, after: int | None) -> GenerationRule | None:
    """When to generate a version; the number of images that were labelled at each one is kept in the store."""
    if after is None:
        return None

    def recall(version: int) -> int | None:
        record = find_record(store, keys.version_count(workspace, project, version), VersionCount)
        return record.labelled if record else None

    def remember(version: int, labelled: int) -> None:
        put_record(store, keys.version_count(workspace, project, version), VersionCount(labelled=labelled))

    return GenerationRule(after, recall, remember)


def _find_stored(store: Store, export: str, name: str) -> LabelExport | None:
    """An export that is in the store by its digest already, as `nasflow retrain` sends one."""
    key = export.removeprefix(keys.STORE_SCHEME)
    sha256 = Path(key).name
    if not export.startswith(keys.STORE_SCHEME) or key != keys.blob(sha256):
        return None
    try:
        size = reuse_export(store, key)
    except NotInStore:
        raise BadExport(f"{export}: no such object in the store; send the export again") from None
    return LabelExport(source=LabelSource(kind="file", name=name), key=key, sha256=sha256, size=size)


def _copy_export(store: Store, export: str, archive: Path) -> LabelSource:
    """Copy an export from disk or from the store to ``archive``."""
    if export.startswith(keys.STORE_SCHEME):
        key = export.removeprefix(keys.STORE_SCHEME)
        try:
            store.fetch(key, archive)
        except NotInStore:
            raise BadExport(f"{export}: no such object in the store; correct the key") from None
        return LabelSource(kind="file", name=Path(key).name)
    path = Path(export).resolve()
    if path.is_dir():
        zips.pack(path, archive)
    elif path.is_file():
        shutil.copyfile(path, archive)
    else:
        raise BadExport(
            f"{export}: no such folder or zip on the worker; correct the path, "
            "or let `nasflow retrain --export` send the export"
        )
    return LabelSource(kind="file", name=path.name)


def check_to_store(
    store: Store,
    export: LabelExport,
    scratch: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    rules: LabelRules | None = None,
    order: tuple[str, ...] = (),
) -> SnapshotRef:
    """Check an export's zip, and store its labels as a snapshot.

    Args:
        store: Where the zip is, and the snapshot goes.
        export: The zip.
        scratch: Folder for temporary files.
        on_progress: Called with the number of images done and of all images.
        rules: How to read the labels; None for the defaults.
        order: Classes of the champion; if the labels have the same classes, they are brought into this order.

    Returns:
        Reference to the snapshot.

    Raises:
        BadRequest: the class map does not fit the labels.
        BadExport: the labels cannot be trained on; the message says why.
    """
    with scratch_folder(scratch) as folder:
        archive = folder / export.source.name.replace("/", "-")
        archive = archive.with_suffix(".zip")
        store.download(StoredFile(key=export.key, sha256=export.sha256, size=export.size), archive)
        inspection = inspect_export(archive, folder, on_progress, rules)
        snapshot = require_snapshot(inspection).model_copy(update={"source": export.source})
        ordered = in_order(snapshot, order)
        if ordered.classes != snapshot.classes:
            logger.info("classes were brought into the champion's order: %s", ", ".join(ordered.classes))
        return save_snapshot(store, ordered, inspection.files)


def subset_to_store(store: Store, snapshot: SnapshotRef, share: float) -> SnapshotRef:
    """Store a snapshot with a share of the training images of a stored one; no image is uploaded again.

    Args:
        store: Where both are.
        snapshot: The stored snapshot.
        share: Fraction in [0, 1] of the training sources.

    Returns:
        Reference to the new snapshot.
    """
    return save_manifest(store, subset_of(load_snapshot(store, snapshot.snapshot_digest), share))
