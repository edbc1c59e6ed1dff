"""The shape of one COCO document: its keys and types, checked before anything is read from it. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from tasks.errors import BadExport
from tasks.labeling.findings import FindingCounter
from tasks.records import Split


class Category(NamedTuple):
    """A category, and the name of its parent if it has one."""

    name: str
    parent: str | None


@dataclass(frozen=True)
class CocoDocument:
    """A document of the right shape: ids, names and sizes have their types."""

    categories: dict[int, Category]
    """By id."""
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]

    def annotated_categories(self) -> Iterator[str]:
        """Category names of all annotations; unknown ids are left out."""
        for annotation in self.annotations:
            if (category := self.categories.get(annotation["category_id"])) is not None:
                yield category.name


def document_name(split: Split) -> str:
    """How errors call the document of a split."""
    return f"{split}/_annotations.coco.json"


def parse_document(split: Split, content: object, findings: FindingCounter) -> CocoDocument:
    """Check the shape of a document.

    Args:
        split: The split it belongs to.
        content: Parsed JSON.
        findings: Counts category names that occur twice.

    Returns:
        The document; category ids and sizes are whole numbers.

    Raises:
        BadExport: it is not COCO JSON; the message says where.
    """
    place = document_name(split)
    if not isinstance(content, dict):
        raise BadExport(f"{place}: not a JSON object but {type(content).__name__}; export again as COCO JSON")
    categories: dict[int, Category] = {}
    for position, item in enumerate(_objects(content, "categories", place)):
        category_id = _integer(item, "id", f"{place}: categories[{position}]")
        parent = item.get("supercategory")
        name = _text(item, "name", f"{place}: categories[{position}]").strip()
        category = Category(name, parent and str(parent).strip())
        if category_id in categories:
            raise BadExport(f"{place}: two categories have the id {category_id}; number them apart, or export again")
        if any(category.name == earlier.name for earlier in categories.values()):
            findings.add("class-name-twice", f"{split}: {category.name}")
        categories[category_id] = category
    images = _objects(content, "images", place)
    for position, item in enumerate(images):
        _check_image(item, f"{place}: images[{position}]")
    annotations = _objects(content, "annotations", place)
    for position, item in enumerate(annotations):
        item["category_id"] = _integer(item, "category_id", f"{place}: annotations[{position}]")
        _check_id(item, "image_id", f"{place}: annotations[{position}]")
    return CocoDocument(categories, images, annotations)


def _check_image(item: dict[str, Any], place: str) -> None:
    _check_id(item, "id", place)
    _text(item, "file_name", place)
    for side in ("width", "height"):
        item[side] = _integer(item, side, place) if item.get(side) is not None else None


def _objects(content: Mapping[str, Any], key: str, place: str) -> list[dict[str, Any]]:
    items = content.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise BadExport(f"{place}: no list of objects named {key}; export again as COCO JSON")
    return [dict(item) for item in items]


def _check_id(item: Mapping[str, Any], key: str, place: str) -> None:
    if isinstance(item.get(key), bool) or not isinstance(item.get(key), int | str):
        raise BadExport(f"{place}: {key} is {item.get(key)!r}, not an id; export again as COCO JSON")


def _integer(item: Mapping[str, Any], key: str, place: str) -> int:
    try:
        return int(item[key])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise BadExport(f"{place}: {key} is {item.get(key)!r}, not a whole number; export again as COCO JSON") from None


def _text(item: Mapping[str, Any], key: str, place: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value.strip():
        raise BadExport(f"{place}: {key} is {value!r}, not a text; export again as COCO JSON")
    return value
