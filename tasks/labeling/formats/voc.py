"""Pascal VOC's label files, one XML an image, with corners that count from 1. Pure: text in, objects out."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from tasks.labeling.annotations import around
from tasks.labeling.findings import Notes

FIRST = 1
"""The number of the first pixel: Roboflow adds it to both corners, as VOC's own development kit reads them."""


class Object(NamedTuple):
    """One labelled object: class name, and corner and sides in pixels from 0."""

    name: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class Annotation:
    """What one file says."""

    width: int | None
    height: int | None
    objects: tuple[Object, ...]


def read_annotation(text: str, place: str, notes: Notes) -> Annotation | None:
    """The annotation in a file; None, and noted, if there is none.

    Args:
        text: Of the file.
        place: Names it in findings.
        notes: Told of polygons and of objects without name or box.
    """
    try:
        root = fromstring(text.removeprefix("\ufeff"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, RecursionError) as error:
        notes.add("label-file-bad", f"{place}: {type(error).__name__} {' '.join(str(error).split())[:100]}")
        return None
    if root.tag != "annotation":
        notes.add("label-file-bad", f"{place}: <{root.tag[:40]}> is no annotation")
        return None
    objects = []
    for number, item in enumerate(root.iter("object"), start=1):
        notes.lines += 1
        where = f"{place}: object {number}"
        name, box = (item.findtext("name") or "").strip(), _box(item, where, notes)
        if not name or box is None:
            notes.add("label-line-bad", f"{where}: no {'name' if not name else 'box'}")
        else:
            objects.append(Object(name, *box))
    return Annotation(_side(root, "width"), _side(root, "height"), tuple(objects))


def _side(root: Any, name: str) -> int | None:
    try:
        return int(float(root.findtext(f"size/{name}") or "")) or None
    except (ValueError, OverflowError):
        return None


def _box(item: Any, where: str, notes: Notes) -> tuple[float, float, float, float] | None:
    found = item.find("bndbox")
    if found is not None:
        corners = [_number(found.findtext(name)) for name in ("xmin", "ymin", "xmax", "ymax")]
        if None in corners:
            return None
        x1, y1, x2, y2 = (value - FIRST for value in corners if value is not None)
        return x1, y1, x2 - x1, y2 - y1
    polygon = item.find("polygon")
    if polygon is None:
        return None
    numbers = [_number(point.text) for point in polygon]  # x1, y1, x2, y2, …
    points = [number - FIRST for number in numbers if number is not None and math.isfinite(number)]
    if not points or len(points) % 2 or len(points) < len(numbers):
        return None
    notes.add("box-from-polygon", where)
    return around(points)


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
