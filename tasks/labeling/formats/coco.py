"""COCO JSON: one document per split, read together into classes and boxes."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hotcoco import mask

from tasks.errors import BadExport
from tasks.labeling.annotations import (
    NO_BOX,
    AnnotatedBox,
    AnnotatedImage,
    Annotations,
    CornerAndSides,
    bounding_box,
)
from tasks.labeling.checks.overlap import merge
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.annotators import of_annotator
from tasks.labeling.formats.coco_document import CocoDocument, document_name, parse_document
from tasks.labeling.formats.layout import Layout
from tasks.labeling.formats.listed_images import ListedImages
from tasks.records import SPLITS, Split

MAX_DOCUMENT_BYTES = 4 * 2**30
MAX_CONTRADICTING = 0.05
"""Maximum share of boxes that their area contradicts."""

# Files --------------------------------------------------------------------------------------------


def read_annotations(layout: Layout, findings: FindingCounter, annotator: str | None = None) -> Annotations:
    """Read the documents of all splits.

    Args:
        layout: The export's files.
        findings: Counts what is wrong with the labels.
        annotator: The annotator whose boxes are read; None for all.

    Returns:
        The annotations.

    Raises:
        BadExport: a document is not COCO JSON at all.
        BadRequest: no annotation is of this annotator.
    """
    documents = {split: _read_json(files.labels, layout.name) for split, files in layout.splits.items()}
    images = {split: ListedImages(files.list_images()) for split, files in layout.splits.items()}
    return parse_documents(documents, findings, images, annotator)


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


def parse_documents(
    contents: Mapping[Split, object],
    findings: FindingCounter,
    images_on_disk: Mapping[Split, ListedImages] = MappingProxyType({}),
    annotator: str | None = None,
) -> Annotations:
    """Parse the documents of all splits together. Pure.

    Classes are joined by name, since ids may differ between splits. Their order is that of the ids in the first split
    that has them, train first.

    Args:
        contents: Parsed JSON by split.
        findings: Counts what is wrong with the labels.
        images_on_disk: The images of each split, to find those that a document lists.
        annotator: The annotator whose boxes are read; None for all.

    Returns:
        Annotations of all splits.

    Raises:
        BadExport: a document is not COCO JSON at all.
        BadRequest: no annotation is of this annotator.
    """
    documents = {split: parse_document(split, contents[split], findings) for split in SPLITS if split in contents}
    if annotator is not None:
        documents = of_annotator(documents, annotator, findings)
    classes = _classes(list(documents.values()), findings)
    index = {name: position for position, name in enumerate(classes)}
    images = [
        image
        for split, document in documents.items()
        for image in _images(split, document, index, findings, images_on_disk.get(split) or ListedImages())
    ]
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
    split: Split,
    document: CocoDocument,
    class_index: Mapping[str, int],
    findings: FindingCounter,
    images_on_disk: ListedImages,
) -> Iterator[AnnotatedImage]:
    boxes = _boxes_by_image(split, document, class_index, findings)
    entries: dict[str, list[dict[str, Any]]] = {}
    for image in document.images:
        name = images_on_disk.find(image["file_name"], f"{split}/{image['file_name']}", findings)
        if name is not None:
            entries.setdefault(name, []).append(image)
    for name, listed in entries.items():
        merged = boxes[listed[0]["id"]]
        for image in listed[1:]:
            merged = _merge_entries(merged, boxes[image["id"]], f"{split}/{name}", findings)
        width, height = (next((image[side] for image in listed if image[side]), None) for side in ("width", "height"))
        yield AnnotatedImage(split, name, width, height, tuple(merged))


def _merge_entries(
    first: list[AnnotatedBox], second: list[AnnotatedBox], place: str, findings: FindingCounter
) -> list[AnnotatedBox]:
    """The boxes of two entries of one image, as Label Studio writes one for each annotator."""
    boxes, agreed = merge(first, second)
    findings.add("image-listed-twice", place)
    if agreed:
        findings.add("box-of-two-annotators", place, count=agreed)
    if alone := len(first) + len(second) - 2 * agreed:
        findings.add("annotators-disagree", f"{place}: {alone} of {len(boxes)} boxes", count=alone)
    return boxes


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
    _check_areas(split, document, findings)
    crowds_are_masks = _crowds_are_masks(document)
    boxes: dict[int | str, list[AnnotatedBox]] = {image_id: [] for image_id in file_names}
    for annotation in document.annotations:
        image_id, category_id = annotation["image_id"], annotation["category_id"]
        place = f"{split}: annotation {annotation.get('id', '?')}"
        if image_id not in file_names:
            findings.add("unknown-image-id", f"{place} names image id {image_id}")
        elif category_id not in document.categories:
            findings.add("unknown-category-id", f"{place} names category id {category_id}")
        elif annotation.get("iscrowd") == 1 and not (crowds_are_masks and _has_mask(annotation)):
            findings.add("crowd-dropped", f"{split}/{file_names[image_id]}")
        else:
            if annotation.get("iscrowd") == 1:
                findings.add("box-of-mask", f"{split}/{file_names[image_id]}")
            box = _box(annotation, f"{split}/{file_names[image_id]}", findings)
            boxes[image_id].append(AnnotatedBox(class_index[document.categories[category_id].name], *box))
    return boxes


def _crowds_are_masks(document: CocoDocument) -> bool:
    """Whether ``iscrowd`` says no more than that an object is a mask, as CVAT's brush writes it.

    COCO itself has masks for crowds alone as well, but polygons for all other objects. CVAT gives objects attributes.
    """
    masks = [annotation for annotation in document.annotations if _has_mask(annotation)]
    if not all(annotation.get("iscrowd") == 1 for annotation in masks):
        return False
    return all("attributes" in annotation for annotation in masks) or not any(
        annotation.get("segmentation") for annotation in document.annotations if not _has_mask(annotation)
    )


def _has_mask(annotation: Mapping[str, Any]) -> bool:
    return isinstance(annotation.get("segmentation"), dict)


def _box(annotation: Mapping[str, Any], place: str, findings: FindingCounter) -> CornerAndSides:
    """The box of an annotation, or of its polygons or mask; NO_BOX if it has none of them."""
    if annotation.get("keypoints"):
        findings.add("keypoints-ignored", place)
    bbox = annotation.get("bbox")
    if isinstance(bbox, dict):
        findings.add("box-not-a-list", f"{place}: {', '.join(map(str, bbox))[:60]}")
        return NO_BOX
    if not bbox:
        segmentation = annotation.get("segmentation")
        outline_box = _mask_box(segmentation) if isinstance(segmentation, dict) else _polygons_box(segmentation)
        if outline_box is not None:
            findings.add("box-from-polygon", place)
        return outline_box or NO_BOX
    try:
        x, y, width, height = (float(value) for value in bbox)
    except (TypeError, ValueError, OverflowError):
        return NO_BOX
    return x, y, width, height


def _check_areas(split: Split, document: CocoDocument, findings: FindingCounter) -> None:
    """Count boxes whose area is that of the corners x1, y1, x2, y2, if they are more than a few."""
    contradicting = [annotation for annotation in document.annotations if _area_is_of_corners(annotation)]
    if len(contradicting) > MAX_CONTRADICTING * len(document.annotations):
        example = f"{split}: annotation {contradicting[0].get('id', '?')}: {contradicting[0]['bbox']}"
        findings.add("boxes-contradict-area", example, count=len(contradicting))


def _area_is_of_corners(annotation: Mapping[str, Any]) -> bool:
    """Whether the area is that of the box whose corners the four numbers are, and not that of their sides."""
    try:
        x1, y1, x2, y2 = (float(value) for value in annotation["bbox"])
        area = float(annotation["area"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return False
    of_corners, of_sides = (x2 - x1) * (y2 - y1), x2 * y2
    return (
        x2 > x1
        and y2 > y1
        and math.isclose(area, of_corners, rel_tol=1e-3)
        and not math.isclose(area, of_sides, rel_tol=0.1)
    )


def _mask_box(rle: Mapping[str, Any]) -> CornerAndSides | None:
    """Bounding box of a mask in COCO's run-length encoding; None for anything else."""
    try:
        x, y, width, height = (float(value) for value in mask.to_bbox(dict(rle)))
    except (ValueError, TypeError, OverflowError):
        return None
    return x, y, width, height


def _polygons_box(polygons: object) -> CornerAndSides | None:
    """Bounding box of COCO polygons, lists of x, y, x, y, …; None for anything else, or with a NaN in it."""
    try:
        values = [[float(value) for value in polygon] for polygon in polygons]  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError):
        return None
    points = [value for polygon in values for value in polygon[: len(polygon) // 2 * 2]]
    return bounding_box(points) if all(map(math.isfinite, points)) else None
