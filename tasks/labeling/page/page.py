"""The page of an inspection as one HTML file: what is on it. Its tables and images are in the modules beside."""

from collections import Counter
from pathlib import Path

from tasks.labeling.formats.registry import FORMATS
from tasks.labeling.inspection import Inspection
from tasks.labeling.page.colours import colours_in_words
from tasks.labeling.page.gallery import galleries
from tasks.labeling.page.tables import box_sizes, class_rows, image_sizes, sizes_after_split
from tasks.local.files import publish_bytes
from tasks.records import DEFAULT_IMAGE_SIZE
from tasks.rendering.pages import render


def write_page(path: Path, inspection: Inspection, name: str, image_size: int = DEFAULT_IMAGE_SIZE) -> None:
    """Write the page, whole or not at all.

    Args:
        path: The HTML file.
        inspection: The inspection; its image files still have to exist.
        name: Name of the export.
        image_size: Side of the network input in pixels.
    """
    severities = Counter(finding.severity for finding in inspection.findings)
    text = render(
        "tasks.labeling.page",
        "page.html.j2",
        title=f"Labels: {name}",
        format=FORMATS[inspection.format].title,
        ok=inspection.snapshot is not None,
        verdict=f"{_kinds('Errors', severities['error'])}, {_kinds('warnings', severities['warning'])}.",
        classes=inspection.classes,
        total=len(inspection.images),
        listed=inspection.listed,
        splits=inspection.splits,
        split_off=sizes_after_split(inspection),
        findings=inspection.findings,
        class_rows=class_rows(inspection),
        box_sizes=box_sizes(inspection.images),
        image_sizes=image_sizes(inspection.images),
        colours=colours_in_words(inspection),
        galleries=list(galleries(inspection, image_size)),
    )
    publish_bytes(path, text.encode())


def _kinds(severity: str, count: int) -> str:
    if not count:
        return f"{'No' if severity[0].isupper() else 'no'} {severity.lower()}"
    return f"{severity} of {count} kind{'' if count == 1 else 's'}"
