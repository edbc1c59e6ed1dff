"""The table of all label formats that are read. A format is added here."""

from collections.abc import Callable
from typing import NamedTuple

from tasks.errors import BadRequest
from tasks.labeling.annotations import Annotations
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats import coco, coco_files, csv_rows, cvat, darknet, voc, yolo
from tasks.labeling.formats.layout import Layout, SplitFiles, SplitFolder


class LabelFormat(NamedTuple):
    """How one format is recognized and read."""

    title: str
    """Name for people."""
    find_files: Callable[[SplitFolder], SplitFiles | None]
    """Finds a split's images and labels; None if there are no labels of this format."""
    read_annotations: Callable[[Layout, FindingCounter], Annotations]
    """Reads the annotations of all splits of an export, and counts what is wrong with them."""


FORMATS: dict[str, LabelFormat] = {
    "coco": LabelFormat("COCO JSON", coco_files.find_files, coco.read_annotations),
    "tensorflow-csv": LabelFormat("CSV of TensorFlow", csv_rows.find_tensorflow_files, csv_rows.read_annotations),
    "retinanet-csv": LabelFormat("CSV of RetinaNet", csv_rows.find_retinanet_files, csv_rows.read_annotations),
    "cvat": LabelFormat("XML of CVAT", cvat.find_files, cvat.read_annotations),
    "voc": LabelFormat("Pascal VOC", voc.find_files, voc.read_annotations),
    "darknet": LabelFormat("Darknet", darknet.find_files, darknet.read_annotations),
    "yolo": LabelFormat("YOLO", yolo.find_files, yolo.read_annotations),
}
"""By name, in the order in which they are tried."""
FORMATS_IN_WORDS = ", ".join(format_.title for format_ in FORMATS.values())


def read_annotations(layout: Layout, findings: FindingCounter, annotator: str | None = None) -> Annotations:
    """Read the annotations of all splits of an export, by its format.

    Args:
        layout: The export's files.
        findings: Counts what is wrong with the labels.
        annotator: The annotator whose boxes are read; None for all.

    Returns:
        The annotations.

    Raises:
        BadExport: a label file is not of its format at all.
        BadRequest: the labels do not name this annotator.
    """
    if annotator is not None:
        if layout.format != "coco":
            raise BadRequest(
                f"{layout.name}: {FORMATS[layout.format].title} does not name annotators; leave out --annotator, or "
                "export COCO JSON from Label Studio"
            )
        return coco.read_annotations(layout, findings, annotator)
    return FORMATS[layout.format].read_annotations(layout, findings)
