"""``nasflow diff``: what changed from one state of the labels to another, wherever the two are."""

import re
from pathlib import Path
from typing import Any

from deployments.offline.export_reading import read_export
from deployments.remote.requests import show_model
from deployments.terminal.console import say, table
from tasks.errors import BadRequest, NotInStore
from tasks.labeling.difference import difference
from tasks.labeling.inspection import require_snapshot
from tasks.records import DatasetSnapshot, LabelRules, SnapshotDifference
from tasks.storage.datasets import load_snapshot
from tasks.storage.s3 import Store

DIGEST = re.compile("[0-9a-f]{64}")


def diff(before: str, after: str, rules: LabelRules) -> dict[str, Any]:
    """Compare two states of the labels.

    Args:
        before: An export's folder or zip, PROJECT/VERSION or PROJECT/ALIAS of a model, or a snapshot's digest.
        after: The same.
        rules: How exports are read.
    """
    changes = difference(_snapshot(before, rules), _snapshot(after, rules))
    return {"ok": True, "same": changes.is_empty, **changes.model_dump(mode="json", exclude={"schema_version"})}


def _snapshot(where: str, rules: LabelRules) -> DatasetSnapshot:
    """The snapshot that a word names: a path first, since nothing else may look like one that is there."""
    if Path(where).exists():
        with read_export(Path(where), rules) as inspection:
            return require_snapshot(inspection)
    if DIGEST.fullmatch(where):
        return _load(where, where)
    project, slash, version = where.partition("/")
    if slash and version and "/" not in version:
        return _load(show_model(Store.from_environment(), project, version)["snapshot_digest"], where)
    raise BadRequest(
        f"{where}: no such folder or zip, nor PROJECT/VERSION of a model, nor a snapshot's digest of 64 characters"
    )


def _load(digest: str, where: str) -> DatasetSnapshot:
    try:
        return load_snapshot(Store.from_environment(), digest)
    except NotInStore as error:
        raise BadRequest(f"{where}: {error}") from None


def show(document: dict[str, Any]) -> None:
    """Tables for people."""
    changes = SnapshotDifference.model_validate(
        {name: value for name, value in document.items() if name not in ("ok", "same")}
    )
    if changes.is_empty:
        say("the labels are the same" + (", with classes in another order" if changes.classes_reordered else ""))
        return
    for what, names in (("added", changes.classes_added), ("removed", changes.classes_removed)):
        if names:
            say(f"classes {what}: {', '.join(names)}")
    if changes.classes_reordered:
        say("classes stand in another order")
    rows = [[what, found.count, ", ".join(found.examples[:2])] for what, found in changes.changes.items()]
    table(["images", "count", "such as"], rows)
    boxes = [
        [name, counts.before, counts.after, f"{counts.after - counts.before:+d}"]
        for name, counts in changes.boxes.items()
        if counts.before or counts.after
    ]
    table(["class", "boxes before", "after", "change"], boxes)
