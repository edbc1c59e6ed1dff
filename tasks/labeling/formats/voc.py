"""Pascal VOC: one XML file per image, with corners in pixels that count from 0 or 1, depending on the writer."""

import math
import re
from dataclasses import dataclass
from typing import Any, NamedTuple

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, fromstring

from tasks.labeling.annotations import Annotations, CornerAndSides, NamedBox, bounding_box
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.class_names import NamedImage, class_names, index_classes
from tasks.labeling.formats.label_files import any_case, find_label_folder, images_with_label_files, read_label_file
from tasks.labeling.formats.layout import Layout, SplitFiles, SplitFolder

_VOC_ITSELF = re.compile(r"VOC ?20\d\d", re.IGNORECASE)


class Numbering(NamedTuple):
    """From which pixel a writer counts, at the left and top, and at the right and bottom."""

    first: int
    last: int


FROM_ZERO = Numbering(0, 0)
"""As CVAT, datumaro, globox and Label Studio write."""
FROM_ONE = Numbering(1, 1)
"""As Roboflow writes: it adds 1 to all corners, so that 417 in an image of 416 pixels is its edge."""
LAST_INCLUDED = Numbering(1, 0)
"""As Pascal VOC itself counts, and supervision writes: from 1, and the last pixel is one of the box."""


@dataclass(frozen=True)
class VocAnnotation:
    """The content of one file."""

    width: int | None
    """Pixels of the image, if the file says so; the same for the height."""
    height: int | None
    boxes: tuple[NamedBox, ...]
    """In pixels from 0."""


def find_files(folder: SplitFolder) -> SplitFiles | None:
    """Find a split's XML files."""
    if next(folder.folder.rglob(any_case(".xml")), None) is None:
        return None
    return SplitFiles(folder.images, find_label_folder(folder.folder, ".xml", folder.images))


def read_annotations(layout: Layout, findings: FindingCounter) -> Annotations:
    """Read the XML files of all splits.

    Raises:
        BadExport: no object names a class.
    """
    images = []
    for split, files in layout.splits.items():
        for name, path in images_with_label_files(split, files, ".xml", findings):
            content = path and parse_annotation(read_label_file(path, findings), f"{split}/{path.name}", findings)
            if content:
                images.append(NamedImage(split, name, content.width, content.height, content.boxes))
            else:
                images.append(NamedImage(split, name, None, None, (), is_labelled=path is not None))
    return index_classes(class_names(images), images, "pixels")


def parse_annotation(text: str, place: str, findings: FindingCounter) -> VocAnnotation | None:
    """Parse the XML file of one image. Pure.

    Args:
        text: Text of the file.
        place: Name of the file in findings.
        findings: Counts bad files, polygons, and objects without a name or box.

    Returns:
        Its content, or None if it is not an annotation file.
    """
    try:
        root = fromstring(text.removeprefix("\ufeff"), forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, RecursionError) as error:
        findings.add("label-file-bad", f"{place}: {type(error).__name__} {' '.join(str(error).split())[:100]}")
        return None
    if root.tag != "annotation":
        findings.add("label-file-bad", f"{place}: <{root.tag[:40]}> is no annotation")
        return None
    numbering = _numbering(root)
    if root.findtext("owner/name") == "Label Studio":
        findings.add("voc-whole-pixels", place)
    elif numbering is None:
        findings.add("voc-first-pixel", place)
    boxes = []
    for number, item in enumerate(root.iter("object"), start=1):
        findings.label_lines += 1
        where = f"{place}: object {number}"
        name, box = (item.findtext("name") or "").strip(), _box(item, numbering or FROM_ZERO, where, findings)
        if not name or box is None:
            findings.add("label-line-bad", f"{where}: no {'name' if not name else 'box'}")
        else:
            boxes.append(NamedBox(name, *box))
    return VocAnnotation(_side(root, "width"), _side(root, "height"), tuple(boxes))


def _numbering(root: Any) -> Numbering | None:
    """From which pixel the writer of a file counts, by the marks that it leaves; None for unknown writers.

    Roboflow and supervision both name Roboflow as the source. Roboflow alone writes a path.
    """
    database = root.findtext("source/database") or ""
    if "roboflow" in database.lower():
        return FROM_ONE if root.find("path") is not None else LAST_INCLUDED
    return LAST_INCLUDED if _VOC_ITSELF.search(database) else None


def _side(root: Any, name: str) -> int | None:
    try:
        return int(float(root.findtext(f"size/{name}") or "")) or None
    except (ValueError, OverflowError):
        return None


def _box(item: Any, numbering: Numbering, where: str, findings: FindingCounter) -> CornerAndSides | None:
    bndbox = item.find("bndbox")
    if bndbox is not None:
        corners = [_number(bndbox.findtext(name)) for name in ("xmin", "ymin", "xmax", "ymax")]
        if None in corners:
            return None
        x1, y1, x2, y2 = (value for value in corners if value is not None)
        x1, y1, x2, y2 = x1 - numbering.first, y1 - numbering.first, x2 - numbering.last, y2 - numbering.last
        return x1, y1, x2 - x1, y2 - y1
    polygon = item.find("polygon")
    if polygon is None:
        return None
    numbers = [_number(point.text) for point in polygon]  # x1, y1, x2, y2, …
    points = [number - numbering.first for number in numbers if number is not None and math.isfinite(number)]
    if not points or len(points) % 2 or len(points) < len(numbers):
        return None
    findings.add("box-from-polygon", where)
    return bounding_box(points)


def _number(text: str | None) -> float | None:
    try:
        return float(text or "")
    except ValueError:
        return None
