"""Labels from where they are into the store: the export's zip first, then the snapshot of what is in it."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from tasks.errors import BadExport, BadRequest, NotInStore
from tasks.labeling.difference import in_order
from tasks.labeling.formats import zips
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.labeling.roboflow.export import fetch_export
from tasks.labeling.roboflow.http import Progress
from tasks.labeling.roboflow.versions import Generating
from tasks.labeling.subset import part_of
from tasks.local.scratch import scratch_folder
from tasks.records import LabelExport, LabelRules, LabelSource, RetrainRequest, SnapshotRef, StoredFile, VersionCount
from tasks.settings import RoboflowSettings
from tasks.storage import keys
from tasks.storage.datasets import load_snapshot, save_manifest, save_snapshot
from tasks.storage.documents import find_record, put_record
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)


def export_to_store(
    store: Store,
    request: RetrainRequest,
    roboflow: Callable[[], RoboflowSettings],
    scratch: Path,
    on_progress: Progress = lambda done, total, text: None,
) -> LabelExport:
    """Fetch the labels that the request names, and keep them as one zip.

    Args:
        store: Where the zip goes.
        request: Names Roboflow's workspace, or an export.
        roboflow: Gives the settings of Roboflow, when they are needed.
        scratch: Folder for passing files.
        on_progress: Told how far Roboflow and the download are.

    Raises:
        BadRequest: it names both or neither.
        BadExport: there is no folder or zip where it says.
        RoboflowRefused, RoboflowUnavailable: what Roboflow says.
    """
    if (request.workspace is None) == (request.export is None):
        raise BadRequest(
            f"project {request.project}: labels come from a Roboflow workspace or from an export, "
            f"got {'neither' if request.export is None else 'both'}; give one of the two"
        )
    if request.export is not None and (sent := _find_sent(store, request.export, request.project)):
        return sent
    with scratch_folder(scratch) as folder:
        archive = folder / "export.zip"
        if request.workspace is not None:
            generating = _generating(store, request.workspace, request.project, request.generate_after)
            source = fetch_export(
                roboflow(), request.workspace, request.project, request.version, archive, generating, on_progress
            )
        else:
            source = _take_export(store, request.export or "", archive)
        stored = store.upload(archive, keys.blob, content_type="application/zip")
    return LabelExport(source=source, key=stored.key, sha256=stored.sha256, size=stored.size)


def _generating(store: Store, workspace: str, project: str, after: int | None) -> Generating | None:
    """When to generate a version of a project; what was labelled at each one is kept in the store."""
    if after is None:
        return None

    def recall(version: int) -> int | None:
        found = find_record(store, keys.version_count(workspace, project, version), VersionCount)
        return found.labelled if found else None

    def remember(version: int, labelled: int) -> None:
        put_record(store, keys.version_count(workspace, project, version), VersionCount(labelled=labelled))

    return Generating(after, recall, remember)


def _find_sent(store: Store, export: str, name: str) -> LabelExport | None:
    """An export that is in the store under its content already, as `nasflow retrain` sends one."""
    key = export.removeprefix(keys.STORE_SCHEME)
    sha256 = Path(key).name
    if not export.startswith(keys.STORE_SCHEME) or key != keys.blob(sha256):
        return None
    try:
        size = store.size(key)
    except NotInStore:
        raise BadExport(f"{export}: no such object in the store; send the export again") from None
    return LabelExport(source=LabelSource(kind="file", name=name), key=key, sha256=sha256, size=size)


def _take_export(store: Store, export: str, archive: Path) -> LabelSource:
    """Bring an export from disk or store to ``archive``."""
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
        store: Where the zip is.
        export: Names it.
        scratch: Folder for passing files.
        on_progress: Told images done and images in all.
        rules: How to read the labels.
        order: Classes of the model in use; the same ones in another order are brought into this one.

    Raises:
        BadRequest: the rules do not fit the labels.
        BadExport: it cannot be trained on; the message says why.
    """
    with scratch_folder(scratch) as folder:
        archive = folder / export.source.name.replace("/", "-")
        archive = archive.with_suffix(".zip")
        store.download(StoredFile(key=export.key, sha256=export.sha256, size=export.size), archive)
        inspection = inspect_export(archive, folder, on_progress, rules)
        snapshot = require_snapshot(inspection).model_copy(update={"source": export.source})
        ordered = in_order(snapshot, order)
        if ordered.classes != snapshot.classes:
            logger.info("classes were brought into the model's order: %s", ", ".join(ordered.classes))
        return save_snapshot(store, ordered, inspection.files)


def part_to_store(store: Store, snapshot: SnapshotRef, share: float) -> SnapshotRef:
    """Store a snapshot with a share of the training images of one that is there; none of them is sent again."""
    return save_manifest(store, part_of(load_snapshot(store, snapshot.snapshot_digest), share))
