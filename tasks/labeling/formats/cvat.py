"""CVAT's own XML, for images and for videos: a document for all splits or one each, with corners in pixels."""

import math
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import ParseError, iterparse

from tasks.errors import BadExport
from tasks.labeling.annotations import Annotations, CornerAndSides, NamedBox, bounding_box
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.class_names import NamedImage, class_names, index_classes
from tasks.labeling.formats.layout import Layout, SplitFiles, SplitFolder
from tasks.labeling.formats.listed_images import ListedImages
from tasks.labeling.formats.split_names import split_of_word
from tasks.records import Split

USUAL_NAME = "annotations.xml"
MAX_DOCUMENT_BYTES = 2**30
_START = re.compile(rb"^(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>)?\s*<annotations>")
_SUBSET = re.compile(rb'<image [^>]*\bsubset="([^"]*)"')
_FRAME = "frame_{:06d}"
"""How CVAT names the frames of a video, without the suffix."""


def split_folders(root: Path) -> list[SplitFolder]:
    """The splits of documents beside one folder of images.

    CVAT writes one document, which gives images their splits as subsets. Datumaro writes a document a split, such as
    ``val.xml``.
    """
    images = SplitFolder(".", "train", root, root).images
    path = root / USUAL_NAME
    if not _is_document(path):
        named = {path: split for path in sorted(root.glob("*.xml")) if (split := split_of_word(path.stem))}
        return [
            SplitFolder(path.name, split, images, root, labels=path)
            for path, split in named.items()
            if _is_document(path)
        ]
    subsets = dict.fromkeys(match.decode(errors="replace") for match in _SUBSET.findall(path.read_bytes()))
    splits = dict.fromkeys(split_of_word(subset) or "train" for subset in subsets) or {"train": None}
    return [SplitFolder(f"{USUAL_NAME}, {split}", split, images, root, labels=path) for split in splits]


def find_files(folder: SplitFolder) -> SplitFiles | None:
    """Find the document of a split, which may be that of other splits, too."""
    path = folder.labels or folder.folder / USUAL_NAME
    return SplitFiles(folder.images, path) if path.suffix == ".xml" and _is_document(path) else None


def _is_document(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _START.match(file.read(1000)) is not None


def read_annotations(layout: Layout, findings: FindingCounter) -> Annotations:
    """Read the documents.

    Raises:
        BadExport: one is no XML, or no object names a class.
    """
    declared: dict[str, None] = {}
    images: list[NamedImage] = []
    is_shared = len({files.labels for files in layout.splits.values()}) == 1 < len(layout.splits)
    for split, files in list(layout.splits.items())[: 1 if is_shared else None]:
        of_document, names = _read(files, split, layout.name, findings)
        images += of_document
        declared |= dict.fromkeys(names)
    return index_classes(tuple(declared) or class_names(images), images, "pixels")


def _read(
    files: SplitFiles, default: Split, export_name: str, findings: FindingCounter
) -> tuple[list[NamedImage], list[str]]:
    """The images that a document lists, else the frames on disk; and the class names that it declares.

    Args:
        files: Where the document and its images are.
        default: Split of images without a subset.
        export_name: Name of the export in errors.
        findings: Counts what is wrong with the labels.
    """
    on_disk = ListedImages(files.list_images())
    images: list[NamedImage] = []
    declared: list[str] = []
    boxes_by_frame: dict[str, list[NamedBox]] = defaultdict(list)
    is_listed = False
    for item in _parts(files.labels, export_name):
        if item.tag == "meta":
            names = ((label.findtext("name") or "").strip() for label in item.iterfind(".//labels/label"))
            declared += filter(None, names)
        elif item.tag == "track":
            _add_track(item, default, boxes_by_frame, findings)
        else:
            is_listed = True
            if (image := _image(item, default, on_disk, findings)) is not None:
                images.append(image)
    if not is_listed:
        for name in files.list_images():
            images.append(NamedImage(default, name, None, None, boxes_by_frame.pop(Path(name).stem, [])))
        for frame in boxes_by_frame:
            findings.add("label-without-image", f"{default}/{frame}")
    return images, declared


def _parts(path: Path, export_name: str) -> Iterator[Any]:
    """The parts of a document one after the other, each freed before the next is read.

    Raises:
        BadExport: it is no XML.
    """
    place = f"{export_name}: {path.name}"
    if (size := path.stat().st_size) > MAX_DOCUMENT_BYTES:
        raise BadExport(f"{place}: {size} bytes are too many for one document; export in parts")
    try:
        with path.open("rb") as file:
            for _, element in iterparse(file, forbid_dtd=True):
                if element.tag in ("meta", "track", "image"):
                    yield element
                    element.clear()
    except (ParseError, DefusedXmlException, ValueError, RecursionError) as error:
        words = " ".join(str(error).split())[:100]
        raise BadExport(f"{place}: not XML ({words}); export again as CVAT for images") from None


def _image(item: Any, default: Split, on_disk: ListedImages, findings: FindingCounter) -> NamedImage | None:
    split = split_of_word(item.get("subset") or "") or default
    place = f"{split}/{item.get('name')}"
    name = on_disk.find(item.get("name") or "", place, findings)
    if name is None:
        return None
    boxes = [box for shape in item if (box := _box(shape, shape.get("label"), place, findings))]
    return NamedImage(split, name, _side(item, "width"), _side(item, "height"), boxes)


def _add_track(track: Any, split: Split, boxes: dict[str, list[NamedBox]], findings: FindingCounter) -> None:
    """Add the boxes of an object to those of its frames; those where it has left the frame are left out."""
    for shape in track:
        frame = shape.get("frame") or ""
        if shape.get("outside") != "1" and frame.isdecimal():
            name = _FRAME.format(int(frame))
            if box := _box(shape, track.get("label"), f"{split}/{name}", findings):
                boxes[name].append(box)


def _box(shape: Any, label: str | None, place: str, findings: FindingCounter) -> NamedBox | None:
    """The box of a shape, or the bounding rectangle of one that is turned or no box; tags have none."""
    if shape.tag == "tag" or not label:
        return None
    findings.label_lines += 1
    if shape.tag in ("points", "polyline", "skeleton", "cuboid"):
        findings.add("shape-without-box", f"{place}: {shape.tag}")
        return None
    try:
        box = _READERS[shape.tag](shape)
    except (KeyError, ValueError):
        box = None
    if box is None:
        findings.add("label-line-bad", f"{place}: {str(shape.tag)[:40]}")
        return None
    if shape.tag != "box" or float(shape.get("rotation") or 0):
        findings.add("box-from-polygon", place)
    return NamedBox(label.strip(), *box)


def _of_box(shape: Any) -> CornerAndSides | None:
    x1, y1, x2, y2 = (float(shape.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
    return _turned((x1, y1, x2 - x1, y2 - y1), float(shape.get("rotation") or 0))


def _of_ellipse(shape: Any) -> CornerAndSides | None:
    x, y, radius_x, radius_y = (float(shape.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
    angle = math.radians(float(shape.get("rotation") or 0))
    half_width = math.hypot(radius_x * math.cos(angle), radius_y * math.sin(angle))
    half_height = math.hypot(radius_x * math.sin(angle), radius_y * math.cos(angle))
    return x - half_width, y - half_height, 2 * half_width, 2 * half_height


def _of_points(shape: Any) -> CornerAndSides | None:
    points = [float(number) for point in shape.attrib["points"].split(";") for number in point.split(",")]
    return bounding_box(points) if len(points) % 2 == 0 and all(map(math.isfinite, points)) else None


def _of_mask(shape: Any) -> CornerAndSides | None:
    left, top, width, height = (float(shape.attrib[name]) for name in ("left", "top", "width", "height"))
    return left, top, width, height


_READERS = {"box": _of_box, "ellipse": _of_ellipse, "polygon": _of_points, "mask": _of_mask}


def _turned(box: CornerAndSides, degrees: float) -> CornerAndSides:
    """Bounding rectangle of a box that is turned around its centre."""
    x, y, width, height = box
    if not degrees:
        return box
    cosine, sine = abs(math.cos(math.radians(degrees))), abs(math.sin(math.radians(degrees)))
    outer_width, outer_height = width * cosine + height * sine, width * sine + height * cosine
    return x + (width - outer_width) / 2, y + (height - outer_height) / 2, outer_width, outer_height


def _side(item: Any, name: str) -> int | None:
    text = item.get(name) or ""
    return int(text) or None if text.isdecimal() else None
