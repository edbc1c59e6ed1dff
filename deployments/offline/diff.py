"""``nasflow diff``: what changed from one state of the labels to another, wherever the two are."""

import re
from pathlib import Path
from typing import Any

from deployments.offline.export_reading import read_export
from deployments.remote.models import find_model_version
from tasks.errors import BadRequest, NotInStore
from tasks.labeling.difference import difference
from tasks.labeling.inspection import require_snapshot
from tasks.records import DatasetSnapshot, LabelRules
from tasks.storage.datasets import load_snapshot
from tasks.storage.s3 import Store

DIGEST = re.compile("[0-9a-f]{64}")


def diff(before: str, after: str, rules: LabelRules) -> dict[str, Any]:
    """Compare two states of the labels.

    Args:
        before: Folder or zip of an export, PROJECT/VERSION or PROJECT/ALIAS of a model, or the digest of a snapshot.
        after: The same.
        rules: How exports are read.

    Returns:
        The changes as JSON would have them; ``same`` is true if there are none.

    Raises:
        BadExport: an export cannot be used.
        BadInput: there is no such model.
        BadRequest: one of the two is none of these, or the rules do not fit the labels.
    """
    changes = difference(_snapshot(before, rules), _snapshot(after, rules))
    return {"ok": True, "same": changes.is_empty, **changes.model_dump(mode="json", exclude={"schema_version"})}


def _snapshot(state: str, rules: LabelRules) -> DatasetSnapshot:
    """The snapshot of a state; a path that exists comes first, whatever else its name may look like."""
    if Path(state).exists():
        with read_export(Path(state), rules) as inspection:
            return require_snapshot(inspection)
    if DIGEST.fullmatch(state):
        return _load(state, state)
    project, slash, version = state.partition("/")
    if slash and version and "/" not in version:
        return _load(find_model_version(Store.from_environment(), project, version).snapshot_digest, state)
    raise BadRequest(
        f"{state}: no such folder or zip, nor PROJECT/VERSION of a model, nor a snapshot's digest of 64 characters"
    )


def _load(digest: str, state: str) -> DatasetSnapshot:
    try:
        return load_snapshot(Store.from_environment(), digest)
    except NotInStore as error:
        raise BadRequest(f"{state}: {error}") from None
