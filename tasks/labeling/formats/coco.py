"""COCO JSON as Roboflow writes it, one document a split, read together into classes and boxes.

Pure: documents in, labels out. Files, images and clipping to the image's real size are not here.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from tasks.errors import BadExport
from tasks.labeling.annotations import NO_BOX, Labels, ListedBox, ListedImage, around
from tasks.labeling.findings import Notes
from tasks.records import SPLITS, Split


class _Category(NamedTuple):
    name: str
    parent: str | None


@dataclass(frozen=True)
class _Document:
    """One split's JSON, its shape checked."""

    categories: dict[int, _Category]
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]

    def class_names(self) -> Iterator[str]:
        """Names of all annotations' categories; unknown ids are left out."""
        for annotation in self.annotations:
            if (category := self.categories.get(annotation["category_id"])) is not None:
                yield category.name


def parse(documents: Mapping[Split, object], notes: Notes) -> Labels:
    """Read the ``_annotations.coco.json`` documents of all splits together.

    Classes are joined by name, since ids may differ from split to split. Their order is that of the ids in the first
    split that has them, train first.

    Args:
        documents: Parsed JSON by split.
        notes: Told what was found.

    Raises:
        BadExport: a document is not COCO JSON at all.
    """
    read = {split: _document(split, documents[split], notes) for split in SPLITS if split in documents}
    classes = _classes(list(read.values()), notes)
    index = {name: position for position, name in enumerate(classes)}
    images = [image for split, document in read.items() for image in _images(split, document, index, notes)]
    return Labels(classes=classes, images=tuple(images))


def _classes(documents: Sequence[_Document], notes: Notes) -> tuple[str, ...]:
    """Names of the classes; a parent of others that owns no box in any split is none."""
    categories = [category for document in documents for _, category in sorted(document.categories.items())]
    names = list(dict.fromkeys(category.name for category in categories))
    if not names:
        raise BadExport("the export declares no categories; label with at least one class and export again")
    parents = {category.parent for category in categories if category.parent != category.name}
    owners = {name for document in documents for name in document.class_names()}
    roots = {name for name in names if name in parents and name not in owners}
    if len(roots) == len(names):  # never drop the last class
        roots = set()
    for name in sorted(roots):
        notes.add("root-category", name)
    return tuple(name for name in names if name not in roots)


def _images(split: Split, document: _Document, index: Mapping[str, int], notes: Notes) -> Iterator[ListedImage]:
    boxes = _boxes_by_image(split, document, index, notes)
    seen: set[str] = set()
    for image in document.images:
        name = image["file_name"]
        place = f"{split}/{name}"
        if not stays_inside(name):
            notes.add("bad-file-name", place)
        elif name in seen:
            notes.add("image-listed-twice", place)
        else:
            seen.add(name)
            yield ListedImage(split, name, image["width"], image["height"], tuple(boxes[image["id"]]))


def stays_inside(name: str) -> bool:
    """Whether a file name as listed leads nowhere but into the folder it is relative to."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name


def _boxes_by_image(
    split: Split, document: _Document, index: Mapping[str, int], notes: Notes
) -> dict[int | str, list[ListedBox]]:
    names = {image["id"]: image["file_name"] for image in document.images}
    if len(names) < len(document.images):
        ids = [image["id"] for image in document.images]
        twice = next(key for position, key in enumerate(ids) if key in ids[:position])
        raise BadExport(f"{_where(split)}: two images have the id {twice}; number them apart, or export again")
    boxes: dict[int | str, list[ListedBox]] = {key: [] for key in names}
    for annotation in document.annotations:
        image_id, category_id = annotation["image_id"], annotation["category_id"]
        place = f"{split}: annotation {annotation.get('id', '?')}"
        if image_id not in names:
            notes.add("unknown-image-id", f"{place} names image id {image_id}")
        elif category_id not in document.categories:
            notes.add("unknown-category-id", f"{place} names category id {category_id}")
        elif annotation.get("iscrowd") == 1:
            notes.add("crowd-dropped", f"{split}/{names[image_id]}")
        else:
            corners = _corners(annotation, f"{split}/{names[image_id]}", notes)
            boxes[image_id].append(ListedBox(index[document.categories[category_id].name], *corners))
    return boxes


def _corners(annotation: Mapping[str, Any], place: str, notes: Notes) -> tuple[float, float, float, float]:
    """x, y, width and height of an annotation; NaN where it has none, so that it is dropped with the others."""
    if annotation.get("keypoints"):
        notes.add("keypoints-ignored", place)
    box = annotation.get("bbox")
    if not box:
        polygon = _bounding_box(annotation.get("segmentation"))
        if polygon is not None:
            notes.add("box-from-polygon", place)
        return polygon or NO_BOX
    try:
        x, y, width, height = (float(value) for value in box)
    except (TypeError, ValueError, OverflowError):
        return NO_BOX
    return x, y, width, height


def _bounding_box(polygons: object) -> tuple[float, float, float, float] | None:
    """Bounding box of COCO polygons, lists of x, y, x, y, …; None for anything else, as with a NaN in it."""
    try:
        values = [[float(value) for value in polygon] for polygon in polygons]  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError):
        return None
    points = [value for polygon in values for value in polygon[: len(polygon) // 2 * 2]]
    return around(points) if all(map(math.isfinite, points)) else None


# The shape of a document ---------------------------------------------------------------------------


def _where(split: Split) -> str:
    return f"{split}/_annotations.coco.json"


def _document(split: Split, content: object, notes: Notes) -> _Document:
    if not isinstance(content, dict):
        raise BadExport(f"{_where(split)}: not a JSON object but {type(content).__name__}; export again as COCO JSON")
    categories: dict[int, _Category] = {}
    for position, item in enumerate(_objects(content, "categories", split)):
        key = _integer(item, "id", f"{_where(split)}: categories[{position}]")
        parent = item.get("supercategory")
        category = _Category(_text(item, "name", f"{_where(split)}: categories[{position}]"), parent and str(parent))
        if key in categories:
            raise BadExport(f"{_where(split)}: two categories have the id {key}; number them apart, or export again")
        if any(category.name == other.name for other in categories.values()):
            notes.add("class-name-twice", f"{split}: {category.name}")
        categories[key] = category
    images = _objects(content, "images", split)
    for position, item in enumerate(images):
        _check_image(item, f"{_where(split)}: images[{position}]")
    annotations = _objects(content, "annotations", split)
    for position, item in enumerate(annotations):
        place = f"{_where(split)}: annotations[{position}]"
        item["category_id"] = _integer(item, "category_id", place)
        _identifier(item, "image_id", place)
    return _Document(categories, images, annotations)


def _check_image(item: dict[str, Any], place: str) -> None:
    _identifier(item, "id", place)
    _text(item, "file_name", place)
    for side in ("width", "height"):
        item[side] = _integer(item, side, place) if item.get(side) is not None else None


def _objects(content: Mapping[str, Any], key: str, split: Split) -> list[dict[str, Any]]:
    items = content.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadExport(f"{_where(split)}: no list of objects named {key}; export again as COCO JSON")
    return [dict(item) for item in items]


def _identifier(item: Mapping[str, Any], key: str, place: str) -> None:
    if isinstance(item.get(key), bool) or not isinstance(item.get(key), int | str):
        raise BadExport(f"{place}: {key} is {item.get(key)!r}, not an id; export again as COCO JSON")


def _integer(item: Mapping[str, Any], key: str, place: str) -> int:
    try:
        return int(item[key])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise BadExport(f"{place}: {key} is {item.get(key)!r}, not a whole number; export again as COCO JSON") from None


def _text(item: Mapping[str, Any], key: str, place: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value:
        raise BadExport(f"{place}: {key} is {value!r}, not a text; export again as COCO JSON")
    return value
