"""Detections from a COCO file of another program, joined with the ground truth: by names if it has them, else by ids.

Used by the ``score`` command; nothing else in nasflow reads foreign detections.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from tasks.errors import BadInput
from tasks.evaluation.coco_shapes import Detection, DetectionFile, parse, read_file, some
from tasks.evaluation.coco_truth import GroundTruth, names_of
from tasks.evaluation.id_readings import Evidence, Reading, WrittenIds, choose_reading
from tasks.local.garbage import rare_garbage_collection
from tasks.metrics.overlap import overlapped_classes


@dataclass(frozen=True)
class ForeignDetections:
    """Detections with the ids of the ground truth."""

    detections: Sequence[Mapping[str, Any]]
    """COCO results: ``image_id``, ``category_id``, ``bbox`` in pixels and ``score`` in [0, 1]."""
    notes: tuple[str, ...]
    """How ids were read, where that may not be what was meant."""


@rare_garbage_collection()
def load_detections(path: Path, truth: GroundTruth) -> ForeignDetections:
    """Read COCO results: a list, or a document that holds one as ``annotations``.

    Args:
        path: The file.
        truth: The labels; every detection has to be on one of their images and of one of their classes.

    Returns:
        The detections, and notes on their ids.

    Raises:
        BadInput: the file is missing, not JSON or not in COCO's format, or has a score outside [0, 1] or images or
            classes that the ground truth does not have.
    """
    content = _read(path)
    image_ids, image_note = _image_ids(path, content, truth)
    category_ids, category_note = _category_ids(path, content, truth, image_ids)
    for image_id, category_id, box in zip(image_ids, category_ids, content.annotations, strict=True):
        box["image_id"], box["category_id"] = image_id, category_id  # in place: there may be hundreds of thousands
    return ForeignDetections(content.annotations, tuple(note for note in (image_note, category_note) if note))


def _read(path: Path) -> DetectionFile:
    expected = "COCO results: a list of image_id, category_id, bbox and score"
    data = read_file(path)
    if data.lstrip()[:1] == b"[":
        return DetectionFile.model_construct(annotations=parse(path, data, TypeAdapter(list[Detection]), expected))
    return parse(path, data, TypeAdapter(DetectionFile), expected)


def _image_ids(path: Path, content: DetectionFile, truth: GroundTruth) -> tuple[list[int], str | None]:
    """[D] ids of images."""
    written = {str(image.id): image.file_name for image in content.images if image.file_name}
    names = [box.get("file_name") or written.get(str(box["image_id"]), "") for box in content.annotations]
    in_truth = {image["id"]: image["file_name"] for image in truth.document["images"]}
    if all(names) and all(in_truth.values()):
        return _by_name(path, "image", names, {name: _image_named(name, truth) for name in set(names)}, in_truth), None
    for key, name in written.items():
        if (known := in_truth.get(truth.image_ids.get(key, -1))) and known != name:
            raise BadInput(
                f"{path}: image id {key} is {name!r} here and {known!r} in the ground truth; give both the same ids"
            )
    keys = [str(box["image_id"]) for box in content.annotations]
    by_name = {key: image_id for key in set(keys) if (image_id := _image_named(key, truth)) is not None}
    readings = [Reading("as ids of the ground truth", truth.image_ids), Reading("as names of files", by_name)]

    def evidence_of(ids: Sequence[int | None]) -> Evidence:
        count = sum(map(bool, _overlapped(content, truth, ids)))
        return Evidence(count, count)

    ids, note = choose_reading(WrittenIds(str(path), "image", keys, in_truth), readings, evidence_of)
    return [ids[key] for key in keys], note


def _image_named(name: str, truth: GroundTruth) -> int | None:
    """The only image that a name fits, taken as exactly as possible."""
    for candidate in names_of(name):
        if (ids := truth.images_by_name.get(candidate)) and len(ids) == 1:
            return next(iter(ids))
    return None


def _category_ids(
    path: Path, content: DetectionFile, truth: GroundTruth, image_ids: Sequence[int]
) -> tuple[list[int], str | None]:
    """[D] ids of classes."""
    written = {str(category.id): category.name.strip() for category in content.categories}
    names = [box.get("category_name") or written.get(str(box["category_id"]), "") for box in content.annotations]
    if all(names):
        by_name = {name: key for key, name in truth.classes.items()}
        return _by_name(path, "category", names, {name: by_name.get(name) for name in set(names)}, truth.classes), None
    keys = [str(box["category_id"]) for box in content.annotations]
    if written and (missing := sorted({key for key in keys if key not in written})):
        raise BadInput(f"{path}: categories has no id {some(missing)}, which detections have; list all classes in it")
    readings = [
        Reading("as ids of the ground truth", truth.category_ids),
        Reading("as names of classes", {name: key for key, name in truth.classes.items()}),
        *(Reading(f"as positions of the classes from {start}", _positions(truth.classes, start)) for start in (0, 1)),
    ]

    def evidence_of(ids: Sequence[int | None]) -> Evidence:
        overlapped = _overlapped(content, truth, image_ids)
        fitting = sum(category_id in classes for category_id, classes in zip(ids, overlapped, strict=True))
        return Evidence(sum(map(bool, overlapped)), fitting)

    ids, note = choose_reading(WrittenIds(str(path), "category", keys, truth.classes), readings, evidence_of)
    return [ids[key] for key in keys], note


def _positions(classes: Mapping[int, str], start: int) -> dict[str, int]:
    return {str(position): category_id for position, category_id in enumerate(sorted(classes), start=start)}


def _by_name(
    path: Path, kind: str, names: Sequence[str], ids: Mapping[str, int | None], known: Mapping[int, str]
) -> list[int]:
    """[D] ids by name; all have to be known."""
    found = [ids[name] for name in names]
    if unknown := sorted({name for name, key in zip(names, found, strict=True) if key is None}):
        count = sum(key is None for key in found)
        raise BadInput(
            f"{path}: {count} of {len(names)} detections name an unknown {kind}: {some(unknown)}; the ground truth has "
            f"{some(sorted(known.values()))}; give both files the same names"
        )
    return [key for key in found if key is not None]


def _overlapped(content: DetectionFile, truth: GroundTruth, image_ids: Sequence[int | None]) -> list[set[int]]:
    """[D] ids of the classes that have a box under a detection."""
    return overlapped_classes(truth.document["annotations"], image_ids, [box["bbox"] for box in content.annotations])
