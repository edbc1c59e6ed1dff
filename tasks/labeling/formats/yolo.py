"""YOLO: one text file per image, and a data.yaml with the class names for all splits."""

from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tasks.errors import BadExport
from tasks.labeling.annotations import Annotations
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.label_files import find_label_folder, label_files_in
from tasks.labeling.formats.layout import Layout, SplitFiles, SplitFolder, images_in, read_text
from tasks.labeling.formats.yolo_rows import read_rows

MAX_LIST_BYTES = 1_000_000
MAX_CLASSES = 100_000


class ClassList(NamedTuple):
    """The content of data.yaml."""

    names: dict[int, str]
    """Class names by id."""
    keypoints: bool
    """Whether keypoints follow the box in label rows."""


def find_files(folder: SplitFolder) -> SplitFiles | None:
    """Find a split's text files: in a folder of their own, or beside images with the same names."""
    images = folder.images
    labels = folder.labels or find_label_folder(folder.folder, ".txt", images)
    if not labels.is_dir():
        return None
    apart = labels != images
    files = label_files_in(labels, ".txt")
    if files and (apart or any(str(Path(name).with_suffix("")) in files for name in images_in(images))):
        return SplitFiles(images, labels)
    if apart and any(folder.root.glob("*.y*ml")):  # every image is background
        return SplitFiles(images, labels)
    return None


def read_annotations(layout: Layout, findings: FindingCounter) -> Annotations:
    """Read data.yaml and the label files of all splits.

    Raises:
        BadExport: there is no data.yaml, or no list of class names in it.
    """
    paths = (path for path in sorted(layout.root.glob("*.y*ml")) if path.suffix in (".yaml", ".yml"))
    path = next(paths, None)
    if path is None:
        raise BadExport(
            f"{layout.name}: no data.yaml, so class ids have no names; add one with `names: [..]` at the top"
        )
    if path.stat().st_size > MAX_LIST_BYTES:
        raise BadExport(f"{layout.name}: {path.name}: {path.stat().st_size} bytes are no list of classes; export again")
    classes = parse_class_list(read_text(path), f"{layout.name}: {path.name}")
    return read_rows(layout, dict.fromkeys(layout.splits, classes.names), findings, keypoints=classes.keypoints)


def parse_class_list(text: str, place: str) -> ClassList:
    """Parse data.yaml, whose ``names`` are a list, or names by id. Pure.

    Raises:
        BadExport: it has no list of class names.
    """
    try:
        content: Any = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BadExport(f"{place}: not YAML ({' '.join(str(error).split())[:200]}); export again") from None
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, list):
        names = dict(enumerate(names))
    if not isinstance(names, dict) or not names or len(names) > MAX_CLASSES:
        raise BadExport(f"{place}: has no list of class names; add `names: [..]` in the order of the ids")
    try:
        return ClassList({int(class_id): _name(name) for class_id, name in names.items()}, "kpt_shape" in content)
    except (TypeError, ValueError):
        # The names are not in the message: aliases can make them endless.
        raise BadExport(f"{place}: names are not texts by whole numbers; write `names: [..]`") from None


def _name(value: object) -> str:
    if isinstance(value, dict | list) or value is None or not str(value).strip():
        raise ValueError(value)
    return str(value).strip()
