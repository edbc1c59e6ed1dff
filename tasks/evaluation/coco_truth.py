"""Ground truth from a COCO file of another program, read as the check of labels reads it.

Parent categories without a box are not classes, categories of one name are one class, images have unique ids.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import TypeAdapter

from tasks.errors import BadInput
from tasks.evaluation.coco_shapes import Annotation, Category, GroundTruthFile, Image, parse, read_file, some


@dataclass(frozen=True)
class GroundTruth:
    """Labels to score against, and what the ids and names in their file mean."""

    document: dict[str, Any]
    """COCO: ``images``, ``categories`` and ``annotations``, boxes ``[x, y, width, height]`` in pixels."""
    image_ids: Mapping[str, int]
    """Id in ``document`` by the id in the file, as text."""
    category_ids: Mapping[str, int]
    """Id in ``document`` by the id in the file, as text; those of parent categories are left out."""
    parents: Mapping[str, str]
    """Names of the parent categories that are no classes, by their id in the file, as text."""
    notes: tuple[str, ...]
    """What was read otherwise than it is written."""

    @property
    def classes(self) -> dict[int, str]:
        """Class names by id in ``document``, in the order of ids."""
        return {category["id"]: category["name"] for category in self.document["categories"]}

    @cached_property
    def images_by_name(self) -> dict[str, set[int]]:
        """Ids in ``document`` of the images that a name fits: the file name, without its folder, or its stem."""
        by_name: dict[str, set[int]] = defaultdict(set)
        for image in self.document["images"]:
            for name in names_of(image["file_name"]):
                by_name[name].add(image["id"])
        return dict(by_name)


def names_of(file_name: str) -> list[str]:
    """Names that may stand for a file, the most exact first: its path, its name, its stem, and its stem as a number.

    ultralytics writes a stem of digits as a number: 42 for ``000042.jpg``.
    """
    path = PurePosixPath(file_name.replace("\\", "/"))
    number = [str(int(path.stem))] if path.stem.isdecimal() else []
    return list(dict.fromkeys([file_name, path.name, path.stem, *number])) if file_name else []


def load_ground_truth(path: Path) -> GroundTruth:
    """Read a COCO annotation file; annotations get new ids from 1.

    Returns:
        The labels.

    Raises:
        BadInput: the file is missing, not JSON, not in COCO's format, or has repeated or unknown ids.
    """
    expected = "COCO annotations: images, categories and annotations"
    content = parse(path, read_file(path), TypeAdapter(GroundTruthFile), expected)
    _check_unique(path, "image id", [str(image.id) for image in content.images])
    _check_unique(path, "category id", [category.id for category in content.categories])
    image_ids = _image_ids(content.images)
    _check_known(path, "image", [box["image_id"] for box in content.annotations], list(image_ids))
    known = [str(category.id) for category in content.categories]
    _check_known(path, "category", [box["category_id"] for box in content.annotations], known)
    parents = _parents(content)
    category_ids, twice = _category_ids([item for item in content.categories if str(item.id) not in parents])
    notes = [f"parent category without a box, not a class: {name} (id {key})" for key, name in parents.items()]
    notes += [f"class name with more than one id, taken as one class: {name}" for name in twice]
    return GroundTruth(
        document={
            "images": [{**image.model_dump(), "id": image_ids[str(image.id)]} for image in content.images],
            "categories": [
                {"id": category.id, "name": category.name.strip()}
                for category in content.categories
                if category_ids.get(str(category.id)) == category.id
            ],
            "annotations": _numbered(content.annotations, image_ids, category_ids),
        },
        image_ids=image_ids,
        category_ids=category_ids,
        parents=parents,
        notes=tuple(f"{path.name}: {note}" for note in notes),
    )


def _image_ids(images: Sequence[Image]) -> dict[str, int]:
    """The ids themselves if all are numbers, as in COCO; else numbers from 1."""
    numbers = {str(image.id): image.id for image in images if isinstance(image.id, int)}
    if len(numbers) == len(images):
        return numbers
    return {str(image.id): number for number, image in enumerate(images, start=1)}


def _parents(content: GroundTruthFile) -> dict[str, str]:
    """Parents of other categories without a box, as Roboflow puts one before the classes; it may have a class's name.

    The check of labels has the same rule, over all splits.
    """
    with_boxes = {box["category_id"] for box in content.annotations}
    children = {
        parent: [child.id for child in content.categories if child.supercategory == parent]
        for parent in {category.supercategory for category in content.categories}
    }
    parents = {
        str(category.id): category.name
        for category in content.categories
        if category.id not in with_boxes
        and category.supercategory != category.name
        and any(child != category.id for child in children.get(category.name, []))
    }
    return parents if len(parents) < len(content.categories) else {}  # never drop the last class


def _category_ids(categories: Sequence[Category]) -> tuple[dict[str, int], list[str]]:
    """The id of each class by each id that its name has, and the names that have several."""
    ids = {category.name.strip(): category.id for category in sorted(categories, key=lambda item: -item.id)}
    times = Counter(category.name.strip() for category in categories)
    by_written = {str(category.id): ids[category.name.strip()] for category in categories}
    return by_written, [name for name, count in times.items() if count > 1]


def _numbered(
    annotations: Sequence[Annotation], image_ids: Mapping[str, int], category_ids: Mapping[str, int]
) -> list[dict[str, Any]]:
    """Annotations with ids from 1: COCO's reference code takes a match with id 0 for no match. Files repeat ids."""
    return [
        {
            "id": number,
            "image_id": image_ids[str(annotation["image_id"])],
            "category_id": category_ids[str(annotation["category_id"])],
            "bbox": list(annotation["bbox"]),
            "area": annotation.get("area", annotation["bbox"][2] * annotation["bbox"][3]),
            "iscrowd": int(annotation.get("iscrowd", False)),
        }
        for number, annotation in enumerate(annotations, start=1)
    ]


def _check_unique(path: Path, what: str, values: Sequence[int | str]) -> None:
    if repeated := [value for value, times in Counter(values).items() if times > 1]:
        raise BadInput(f"{path}: {what} {some(repeated)} occurs more than once; each needs its own")


def _check_known(path: Path, kind: str, used: Sequence[int | str], known: Sequence[str]) -> None:
    names = set(known)
    if unknown := [value for value in used if str(value) not in names]:
        raise BadInput(
            f"{path}: {len(unknown)} of {len(used)} annotations have an unknown {kind} id: "
            f"{some(sorted(set(map(str, unknown))))}; the file lists {some(known)}, so export it again"
        )
