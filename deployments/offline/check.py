"""``nasflow check``: what a labelled export is, and what is wrong with it."""

from pathlib import Path
from typing import Any

from deployments.offline.export_reading import read_export
from deployments.terminal.console import say
from tasks.errors import BadRequest
from tasks.labeling.inspection import Inspection
from tasks.labeling.page.page import write_page
from tasks.records import LabelRules


def check(export: Path, rules: LabelRules, report: Path | None = None) -> dict[str, Any]:
    """Read and check a labelled export.

    Args:
        export: Folder or zip.
        rules: How the labels are read.
        report: Page to write, or None for no page.

    Returns:
        Format, classes, splits and findings, as JSON would have them; ``ok`` says whether it can be trained on.

    Raises:
        BadExport: it is no export that can be read.
        BadRequest: the rules do not fit the labels, or the page cannot be written.
    """
    with read_export(export, rules) as inspection:
        if report is not None:
            _write_page(report, inspection, export, rules.image_size)
    return {
        "ok": inspection.snapshot is not None,
        "format": inspection.format,
        "classes": list(inspection.classes),
        "digest": inspection.snapshot.digest if inspection.snapshot else None,
        "listed": {split: counts.model_dump() for split, counts in inspection.listed.items()},
        "splits": {split: counts.model_dump() for split, counts in inspection.splits.items()},
        "findings": [finding.model_dump(mode="json") for finding in inspection.findings],
    }


def _write_page(path: Path, inspection: Inspection, export: Path, image_size: int) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_page(path, inspection, export.name, image_size)
    except OSError as error:
        raise BadRequest(f"--report {path}: {error.strerror}; name a file that can be written") from None
    say(f"page: {path}")
