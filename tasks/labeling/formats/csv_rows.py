"""Labels as CSV, a row an object: TensorFlow's with a header, RetinaNet's without. Pure: text in, rows out."""

import csv
from collections.abc import Iterator
from typing import NamedTuple

from tasks.labeling.findings import Notes

TENSORFLOW = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
RETINANET = ("filename", "xmin", "ymin", "xmax", "ymax", "class")
"""Columns; RetinaNet's file does not name them."""


class Row(NamedTuple):
    """One labelled object, or with an empty ``name`` an image without any; corner and sides in pixels."""

    file_name: str
    name: str
    x: float
    y: float
    width: float
    height: float
    image_width: int | None
    image_height: int | None


def columns_of(first_line: str) -> tuple[str, ...] | None:
    """The columns of a file of labels by its first line; None if it is another CSV."""
    fields = _fields(first_line.removeprefix("\ufeff"))
    names = tuple(field.strip().lower() for field in fields)
    if set(TENSORFLOW) - {"width", "height"} <= set(names):
        return names
    if len(fields) != len(RETINANET):
        return None
    corners = fields[1:5]
    return RETINANET if all(_number(value) is not None or not value.strip() for value in corners) else None


def read_rows(text: str, place: str, notes: Notes) -> Iterator[Row]:
    """The rows of a file whose columns are known.

    Args:
        text: Of the file.
        place: Names it in findings.
        notes: Told of lines that are no rows, which are left out.
    """
    lines = text.removeprefix("\ufeff").splitlines()
    columns = columns_of(lines[0]) if lines else None
    if columns is None:
        notes.add("label-file-bad", f"{place}: columns are neither TensorFlow's nor RetinaNet's")
        return
    start = 0 if columns is RETINANET else 1
    for number, line in enumerate(lines[start:], start=start + 1):
        fields = _fields(line)
        if not any(field.strip() for field in fields):
            continue
        notes.lines += 1
        row = _row(dict(zip(columns, fields, strict=False))) if len(fields) == len(columns) else None
        if row is None:
            notes.add("label-line-bad", f"{place}:{number}: {line[:60]}")
        else:
            yield row


def _fields(line: str) -> list[str]:
    """Line by line, so that an endless quote or an absurd field spoils its line alone."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return [line]


def _row(values: dict[str, str]) -> Row | None:
    file_name, name = values["filename"].strip(), values["class"].strip()
    if not file_name:
        return None
    corners = [_number(values[key]) for key in ("xmin", "ymin", "xmax", "ymax")]
    size = _whole(values.get("width")), _whole(values.get("height"))
    if not name and all(corner is None for corner in corners):
        return Row(file_name, "", 0, 0, 0, 0, *size)
    if not name or None in corners:
        return None
    x1, y1, x2, y2 = (corner for corner in corners if corner is not None)
    return Row(file_name, name, x1, y1, x2 - x1, y2 - y1, *size)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _whole(text: str | None) -> int | None:
    try:
        return int(float(text or "")) or None
    except (ValueError, OverflowError):
        return None
