"""CSV labels, one file per split and one row per object: TensorFlow's with a header, RetinaNet's without."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tasks.labeling.annotations import Annotations, NamedBox
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.class_names import NamedImage, class_names, index_classes
from tasks.labeling.formats.layout import Layout, SplitFiles, SplitFolder, read_text
from tasks.labeling.formats.listed_images import ListedImages
from tasks.records import Split

TENSORFLOW_COLUMNS = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
RETINANET_COLUMNS = ("filename", "xmin", "ymin", "xmax", "ymax", "class")
"""The file does not name its columns."""
MAX_FIRST_LINE = 200_000
"""Characters of the first line that are looked at."""


class Row(NamedTuple):
    """One labelled object in pixels, or an image without any."""

    file_name: str
    box: NamedBox | None
    image_width: int | None
    image_height: int | None


# Files --------------------------------------------------------------------------------------------


def find_tensorflow_files(folder: SplitFolder) -> SplitFiles | None:
    """Find a split's CSV file, if it has TensorFlow's columns."""
    path, columns = _find_file(folder)
    return SplitFiles(folder.folder, path) if path and columns is not RETINANET_COLUMNS else None


def find_retinanet_files(folder: SplitFolder) -> SplitFiles | None:
    """Find a split's CSV file, if it has RetinaNet's columns."""
    path, columns = _find_file(folder)
    return SplitFiles(folder.folder, path) if path and columns is RETINANET_COLUMNS else None


def _find_file(folder: SplitFolder) -> tuple[Path | None, tuple[str, ...]]:
    """The first CSV file with known columns, and its columns."""
    for path in sorted(folder.folder.glob("*.csv")):
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            columns = columns_of(file.readline(MAX_FIRST_LINE))
        if columns is not None:
            return path, columns
    return None, ()


def read_annotations(layout: Layout, findings: FindingCounter) -> Annotations:
    """Read the CSV files of all splits.

    Raises:
        BadExport: no row names a class.
    """
    images = [image for split, files in layout.splits.items() for image in _read_split(split, files, findings)]
    return index_classes(class_names(images), images, "pixels")


def _read_split(split: Split, files: SplitFiles, findings: FindingCounter) -> Iterator[NamedImage]:
    """All images of a split: those on disk, then those that only rows name."""
    boxes: dict[str, list[NamedBox]] = {file_name: [] for file_name in files.list_images()}
    sizes: dict[str, tuple[int | None, int | None]] = {}
    on_disk = ListedImages(boxes)
    names: dict[str, str | None] = {}
    for row in parse_rows(read_text(files.labels), f"{split}/{files.labels.name}", findings):
        if row.file_name not in names:
            names[row.file_name] = on_disk.find(row.file_name, f"{split}/{row.file_name}", findings)
        if (name := names[row.file_name]) is None:
            continue
        image_boxes = boxes.setdefault(name, [])
        sizes[name] = row.image_width, row.image_height
        if row.box:
            image_boxes.append(row.box)
    for file_name, image_boxes in boxes.items():
        is_labelled = file_name in sizes
        if not is_labelled:
            findings.add("label-missing", f"{split}/{file_name}")
        yield NamedImage(split, file_name, *sizes.get(file_name, (None, None)), image_boxes, is_labelled)


# Rows ---------------------------------------------------------------------------------------------


def columns_of(first_line: str) -> tuple[str, ...] | None:
    """Columns of a CSV label file by its first line; None if it is another CSV."""
    fields = _fields(first_line.removeprefix("\ufeff"))
    names = tuple(field.strip().lower() for field in fields)
    if set(TENSORFLOW_COLUMNS) - {"width", "height"} <= set(names):
        return names
    if len(fields) != len(RETINANET_COLUMNS):
        return None
    is_retinanet = all(_number(field) is not None or not field.strip() for field in fields[1:5])
    return RETINANET_COLUMNS if is_retinanet else None


def parse_rows(text: str, place: str, findings: FindingCounter) -> Iterator[Row]:
    """Parse a CSV label file. Pure.

    Args:
        text: Text of the file.
        place: Name of the file in findings.
        findings: Counts a file with other columns, and bad lines, which are left out.

    Yields:
        The rows of the file.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    columns = columns_of(lines[0]) if lines else None
    if columns is None:
        findings.add("label-file-bad", f"{place}: columns are neither TensorFlow's nor RetinaNet's")
        return
    first = 0 if columns is RETINANET_COLUMNS else 1
    for number, line in enumerate(lines[first:], start=first + 1):
        fields = _fields(line)
        if not any(field.strip() for field in fields):
            continue
        findings.label_lines += 1
        row = _row(dict(zip(columns, fields, strict=False))) if len(fields) == len(columns) else None
        if row is None:
            findings.add("label-line-bad", f"{place}:{number}: {line[:60]}")
        else:
            yield row


def _fields(line: str) -> list[str]:
    """Fields of one line; read line by line, so that an unclosed quote spoils only its own line."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return [line]


def _row(values: dict[str, str]) -> Row | None:
    file_name, class_name = values["filename"].strip(), values["class"].strip()
    if not file_name:
        return None
    corners = [_number(values[key]) for key in ("xmin", "ymin", "xmax", "ymax")]
    size = _whole_number(values.get("width")), _whole_number(values.get("height"))
    if not class_name and all(corner is None for corner in corners):
        return Row(file_name, None, *size)
    if not class_name or None in corners:
        return None
    x1, y1, x2, y2 = (corner for corner in corners if corner is not None)
    return Row(file_name, NamedBox(class_name, x1, y1, x2 - x1, y2 - y1), *size)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _whole_number(text: str | None) -> int | None:
    try:
        return int(float(text or "")) or None
    except (ValueError, OverflowError):
        return None
