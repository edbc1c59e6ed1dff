"""COCO JSON as Roboflow writes it: one document per split, read together into classes and boxes."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.errors import BadExport
from tasks.labeling.annotations import (
    NO_BOX,
    AnnotatedBox,
    AnnotatedImage,
    Annotations,
    CornerAndSides,
    bounding_box,
)
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.coco_document import CocoDocument, document_name, parse_document
from tasks.labeling.formats.layout import Layout, SplitFiles, SplitFolder, stays_inside
from tasks.records import SPLITS, Split

USUAL_NAME = "_annotations.coco.json"
MAX_DOCUMENT_BYTES = 4 * 2**30

# Files --------------------------------------------------------------------------------------------


def find_files(folder: SplitFolder) -> SplitFiles | None:
    """Find a split's COCO document: by its usual name, or the only JSON file with the keys of COCO.

    Raises:
        BadExport: there are several.
    """
    path = folder.folder / USUAL_NAME
    if path.is_file():
        return SplitFiles(folder.folder, path)
    paths = [path for path in sorted(folder.folder.glob("*.json")) if not path.name.startswith(".")]
    documents = [path for path in paths if _has_coco_keys(path)]
    if len(documents) > 1:
        names = ", ".join(path.name for path in documents[:3])
        raise BadExport(f"{folder.folder.name}/: several COCO files ({names}); keep the one that counts")
    return SplitFiles(folder.folder, documents[0]) if documents else None


def _has_coco_keys(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys()


def read_annotations(layout: Layout, findings: FindingCounter) -> Annotations:
    """Read the documents of all splits.

    Raises:
        BadExport: a document is not COCO JSON at all.
    """
    documents = {split: _read_json(files.labels, layout.name) for split, files in layout.splits.items()}
    return parse_documents(documents, findings)


def _read_json(path: Path, export_name: str) -> object:
    place = f"{export_name}: {path.parent.name}/{path.name}"
    try:
        if (size := path.stat().st_size) > MAX_DOCUMENT_BYTES:
            raise BadExport(f"{place}: {size} bytes are too many for one document; export in parts")
        content: object = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadExport(f"{place}: not JSON ({' '.join(str(error).split())}); export again as COCO JSON") from None
    except OSError as error:
        raise BadExport(f"{place}: cannot be read: {error.strerror}; check the file and its rights") from None
    return content


# Documents ----------------------------------------------------------------------------------------


def parse_documents(contents: Mapping[Split, object], findings: FindingCounter) -> Annotations:
    """Parse the documents of all splits together. Pure.

    Classes are joined by name, since ids may differ between splits. Their order is that of the ids in the first split
    that has them, train first.

    Args:
        contents: Parsed JSON by split.
        findings: Counts what is wrong with the labels.

    Returns:
        Annotations of all splits.

    Raises:
        BadExport: a document is not COCO JSON at all.
    """
    documents = {split: parse_document(split, contents[split], findings) for split in SPLITS if split in contents}
    classes = _classes(list(documents.values()), findings)
    index = {name: position for position, name in enumerate(classes)}
    images = [image for split, document in documents.items() for image in _images(split, document, index, findings)]
    return Annotations(classes=classes, images=tuple(images))


def _classes(documents: Sequence[CocoDocument], findings: FindingCounter) -> tuple[str, ...]:
    """Class names: those of all categories but root categories, parents without a box in any split."""
    categories = [category for document in documents for _, category in sorted(document.categories.items())]
    names = list(dict.fromkeys(category.name for category in categories))
    if not names:
        raise BadExport("the export declares no categories; label with at least one class and export again")
    parents = {category.parent for category in categories if category.parent != category.name}
    with_boxes = {name for document in documents for name in document.annotated_categories()}
    roots = {name for name in names if name in parents and name not in with_boxes}
    if len(roots) == len(names):  # never drop the last class
        roots = set()
    for name in sorted(roots):
        findings.add("root-category", name)
    return tuple(name for name in names if name not in roots)


def _images(
    split: Split, document: CocoDocument, class_index: Mapping[str, int], findings: FindingCounter
) -> Iterator[AnnotatedImage]:
    boxes = _boxes_by_image(split, document, class_index, findings)
    seen: set[str] = set()
    for image in document.images:
        name = image["file_name"]
        place = f"{split}/{name}"
        if not stays_inside(name):
            findings.add("bad-file-name", place)
        elif name in seen:
            findings.add("image-listed-twice", place)
        else:
            seen.add(name)
            yield AnnotatedImage(split, name, image["width"], image["height"], tuple(boxes[image["id"]]))


def _boxes_by_image(
    split: Split, document: CocoDocument, class_index: Mapping[str, int], findings: FindingCounter
) -> dict[int | str, list[AnnotatedBox]]:
    file_names = {image["id"]: image["file_name"] for image in document.images}
    if len(file_names) < len(document.images):
        ids = [image["id"] for image in document.images]
        repeated = next(image_id for position, image_id in enumerate(ids) if image_id in ids[:position])
        raise BadExport(
            f"{document_name(split)}: two images have the id {repeated}; number them apart, or export again"
        )
    boxes: dict[int | str, list[AnnotatedBox]] = {image_id: [] for image_id in file_names}
    for annotation in document.annotations:
        image_id, category_id = annotation["image_id"], annotation["category_id"]
        place = f"{split}: annotation {annotation.get('id', '?')}"
        if image_id not in file_names:
            findings.add("unknown-image-id", f"{place} names image id {image_id}")
        elif category_id not in document.categories:
            findings.add("unknown-category-id", f"{place} names category id {category_id}")
        elif annotation.get("iscrowd") == 1:
            findings.add("crowd-dropped", f"{split}/{file_names[image_id]}")
        else:
            box = _box(annotation, f"{split}/{file_names[image_id]}", findings)
            boxes[image_id].append(AnnotatedBox(class_index[document.categories[category_id].name], *box))
    return boxes


def _box(annotation: Mapping[str, Any], place: str, findings: FindingCounter) -> CornerAndSides:
    """The box of an annotation, or of its polygons; NO_BOX if it has neither."""
    if annotation.get("keypoints"):
        findings.add("keypoints-ignored", place)
    bbox = annotation.get("bbox")
    if not bbox:
        polygon_box = _polygons_box(annotation.get("segmentation"))
        if polygon_box is not None:
            findings.add("box-from-polygon", place)
        return polygon_box or NO_BOX
    try:
        x, y, width, height = (float(value) for value in bbox)
    except (TypeError, ValueError, OverflowError):
        return NO_BOX
    return x, y, width, height


def _polygons_box(polygons: object) -> CornerAndSides | None:
    """Bounding box of COCO polygons, lists of x, y, x, y, …; None for anything else, or with a NaN in it."""
    try:
        values = [[float(value) for value in polygon] for polygon in polygons]  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError):
        return None
    points = [value for polygon in values for value in polygon[: len(polygon) // 2 * 2]]
    return bounding_box(points) if all(map(math.isfinite, points)) else None
