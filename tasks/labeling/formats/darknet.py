"""Darknet: rows as YOLO's beside the images, and a text file with a class name per line, per split or for all."""

from pathlib import Path

from tasks.labeling.annotations import Annotations
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.class_lists import parse_names
from tasks.labeling.formats.layout import Layout, SplitFiles, SplitFolder, read_text
from tasks.labeling.formats.yolo_rows import read_rows

CLASS_LISTS = ("_darknet.labels", "obj.names", "classes.names")
"""Names of the class list, beside the images or at the top of the export."""


def find_files(folder: SplitFolder) -> SplitFiles | None:
    """Find a split's images and text files by a class list at either place."""
    if _class_list(folder.folder, folder.root) is None:
        return None
    return SplitFiles(folder.images, folder.images)


def read_annotations(layout: Layout, findings: FindingCounter) -> Annotations:
    """Read class lists and label files of all splits."""
    paths = {split: _class_list(files.images, layout.root) for split, files in layout.splits.items()}
    names = {
        split: parse_names(read_text(path), f"{layout.name}: {path.name}") if path else {}
        for split, path in paths.items()
    }
    return read_rows(layout, names, findings)


def _class_list(folder: Path, root: Path) -> Path | None:
    paths = (parent / name for parent in (folder, root) for name in CLASS_LISTS)
    return next((path for path in paths if path.is_file()), None)
