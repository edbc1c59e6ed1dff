"""YOLO's label files, one an image: rows of a class id and a box, or a polygon, in fractions of the image.

Pure: text in, rows out. v5 to v12 and darknet write the same rows; they differ in where files lie.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from tasks.errors import BadExport
from tasks.labeling.annotations import around
from tasks.labeling.findings import Notes

MAX_FRACTION = 2.0
"""Labels drawn over the edge reach a bit beyond 1; what is beyond this is pixels."""
MIN_POINTS = 3
MAX_CLASSES = 100_000


class Row(NamedTuple):
    """One labelled object: class id, and corner and sides as fractions."""

    class_id: int
    x: float
    y: float
    width: float
    height: float


class ClassList(NamedTuple):
    """What data.yaml says."""

    names: dict[int, str]
    keypoints: bool
    """Whether rows go on with keypoints after the box."""


def read_class_list(text: str, place: str) -> ClassList:
    """The classes of data.yaml: a list, or ids with names.

    Raises:
        BadExport: there is none in it.
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
        return ClassList({int(key): _name(name) for key, name in names.items()}, "kpt_shape" in content)
    except (TypeError, ValueError):
        raise BadExport(
            f"{place}: names are not texts by whole numbers; write `names: [..]`"
        ) from None  # no bomb printed


def _name(value: object) -> str:
    if isinstance(value, dict | list) or value is None or not str(value).strip():
        raise ValueError(value)
    return str(value).strip()


def read_names(text: str) -> dict[int, str]:
    """The classes of darknet's list: a name a line."""
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines()]
    return dict(enumerate(line for line in lines if line))


def read_rows(text: str, place: str, notes: Notes, *, keypoints: bool = False) -> Iterator[Row]:
    """The rows of a label file; a polygon, or four corners of a turned box, become their bounding box.

    Args:
        text: Of the file.
        place: Names it in findings.
        notes: Told of polygons, and of lines that are no rows, which are left out.
        keypoints: Whether keypoints follow the box; they are left out.
    """
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not line.strip():
            continue
        notes.lines += 1
        where = f"{place}:{number}"
        numbers = _numbers(line.split())
        if numbers and any(abs(value) > MAX_FRACTION for value in numbers[1:]):
            notes.add("box-in-pixels", where)
        elif numbers and (row := _row(int(numbers[0]), numbers[1:], where, notes, keypoints=keypoints)):
            yield row
        else:
            notes.add("label-line-bad", f"{where}: {line.strip()[:60]}")


def _numbers(fields: list[str]) -> list[float] | None:
    """The fields as numbers, of which the first is a whole one."""
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return None
    return numbers if math.isfinite(numbers[0]) and numbers[0] == int(numbers[0]) else None


def _row(class_id: int, values: list[float], where: str, notes: Notes, *, keypoints: bool) -> Row | None:
    if keypoints and len(values) > 4:
        notes.add("keypoints-ignored", where)
        values = values[:4]
    if len(values) == 4:
        x, y, width, height = values
        return Row(class_id, x - width / 2, y - height / 2, width, height)
    # A polygon with a point that is no number is none; minimum and maximum would pass over it.
    if len(values) >= 2 * MIN_POINTS and len(values) % 2 == 0 and all(map(math.isfinite, values)):
        notes.add("box-from-polygon", where)
        box = around(values)
        return None if box is None else Row(class_id, *box)
    return None
