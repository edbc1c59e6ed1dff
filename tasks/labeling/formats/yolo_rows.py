"""Rows of YOLO and darknet label files: a class id and a box or polygon, in fractions of the image.

YOLO v5 to v12 and darknet write the same rows; they differ in where the files and the class list lie.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tasks.labeling.annotations import Annotations, NamedBox, bounding_box
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.class_names import NamedImage, index_classes
from tasks.labeling.formats.label_files import images_with_label_files, read_label_file
from tasks.labeling.formats.layout import Layout
from tasks.records import Split

MAX_FRACTION = 2.0
"""Labels that reach over the edge go a bit beyond 1; larger numbers are pixels."""
MIN_POINTS = 3
"""Minimum number of points of a polygon."""


class Row(NamedTuple):
    """One labelled object: class id, and left, top, width and height as fractions of the image."""

    class_id: int
    x: float
    y: float
    width: float
    height: float


def read_rows(
    layout: Layout,
    names_by_split: Mapping[Split, Mapping[int, str]],
    findings: FindingCounter,
    *,
    keypoints: bool = False,
) -> Annotations:
    """Read the label files of all splits.

    Args:
        layout: The export's files.
        names_by_split: Class names by id, for each split. An id without a name becomes the undeclared class ``#id``.
        findings: Counts what is wrong with the labels.
        keypoints: Whether keypoints follow the box in a row.

    Returns:
        Annotations of all splits.
    """
    classes: dict[str, None] = {}
    images = []
    for split, files in layout.splits.items():
        names = names_by_split[split]
        for name, count in Counter(names.values()).items():
            if count > 1:
                findings.add("class-name-twice", f"{split}: {name}")
        classes.update(dict.fromkeys(names[class_id] for class_id in sorted(names)))
        for image, path in images_with_label_files(split, files, ".txt", findings):
            text = read_label_file(path, findings) if path else ""
            place = f"{split}/{path.name}" if path else ""
            rows = parse_rows(text, place, findings, keypoints=keypoints)
            boxes = [NamedBox(names.get(row.class_id, f"#{row.class_id}"), *row[1:]) for row in rows]
            images.append(NamedImage(split, image, None, None, boxes, is_labelled=path is not None))
    return index_classes(tuple(classes), images, "fractions")


def parse_rows(text: str, place: str, findings: FindingCounter, *, keypoints: bool = False) -> Iterator[Row]:
    """Parse a label file; a polygon, or four corners of a rotated box, become their bounding box. Pure.

    Args:
        text: Text of the file.
        place: Name of the file in findings.
        findings: Counts polygons, confidences, boxes in pixels, and bad lines, which are left out.
        keypoints: Whether keypoints follow the box; they are left out.

    Yields:
        The rows of the file.
    """
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        if not line.strip():
            continue
        findings.label_lines += 1
        where = f"{place}:{number}"
        numbers = _numbers(line.split())
        if numbers and any(abs(value) > MAX_FRACTION for value in numbers[1:]):
            findings.add("box-in-pixels", where)
        elif numbers and (row := _row(int(numbers[0]), numbers[1:], where, findings, keypoints=keypoints)):
            yield row
        else:
            findings.add("label-line-bad", f"{where}: {line.strip()[:60]}")


def _numbers(fields: list[str]) -> list[float] | None:
    """The fields as numbers, the first of them a whole number."""
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return None
    return numbers if math.isfinite(numbers[0]) and numbers[0] == int(numbers[0]) else None


def _row(class_id: int, values: list[float], where: str, findings: FindingCounter, *, keypoints: bool) -> Row | None:
    if keypoints and len(values) > 4:
        findings.add("keypoints-ignored", where)
        values = values[:4]
    if len(values) == 5 and 0 <= values[4] <= 1:
        findings.add("confidence-dropped", where)
        values = values[:4]
    if len(values) == 4:
        center_x, center_y, width, height = values
        return Row(class_id, center_x - width / 2, center_y - height / 2, width, height)
    # A polygon with a NaN is invalid, but minimum and maximum would pass over it.
    if len(values) >= 2 * MIN_POINTS and len(values) % 2 == 0 and all(map(math.isfinite, values)):
        findings.add("box-from-polygon", where)
        box = bounding_box(values)
        return None if box is None else Row(class_id, *box)
    return None
