"""How many images of an export have boxes, and so how many of a version had when it was made.

A version's size does not tell: images without labels are in it, too.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.images.source_names import source_name
from tasks.labeling.roboflow.generation_settings import steps_that_are_on

LABELS = "_annotations.coco.json"
CUT_UP = {"tile", "isolate"}
"""Preprocessing steps that make several images of one, so that images cannot be counted."""


def count_sources_with_boxes(archive: Path, version: Mapping[str, Any]) -> int | None:
    """Count the images that a version was made of, and that have boxes in it.

    Augmented copies are told by their name, so two images of one name count once in an augmented version.

    Args:
        archive: The version's export in COCO format, a whole zip.
        version: What Roboflow says about the version.

    Returns:
        The number; None if the version's preprocessing cuts images up, or the zip has no labels of COCO.
    """
    if CUT_UP & steps_that_are_on(version, "preprocessing").keys():
        return None
    has_copies = "image" in steps_that_are_on(version, "augmentation")
    splits = _read_splits(archive)
    if splits is None:
        return None
    return sum(
        len({source_name(name) for name in split.with_boxes}) if has_copies else len(split.with_boxes)
        for split in splits
    )


@dataclass(frozen=True)
class ImageCounts:
    """Numbers of images of an export."""

    images: int
    without_boxes: int


def count_images(archive: Path) -> ImageCounts | None:
    """Count the images of an export in COCO format; None if it has no labels of COCO."""
    splits = _read_splits(archive)
    if splits is None:
        return None
    images = sum(split.images for split in splits)
    return ImageCounts(images, images - sum(len(split.with_boxes) for split in splits))


@dataclass(frozen=True)
class _Split:
    images: int
    with_boxes: list[str]
    """File names."""


def _read_splits(archive: Path) -> list[_Split] | None:
    """The labels of an export; None if it has none, or they cannot be read: whoever checks them says what is wrong."""
    try:
        with zipfile.ZipFile(archive) as file:
            members = [name for name in file.namelist() if PurePosixPath(name).name == LABELS]
            return [_split(json.loads(file.read(name))) for name in members] or None
    except (ValueError, KeyError, TypeError):
        return None


def _split(document: Mapping[str, Any]) -> _Split:
    with_boxes = {annotation["image_id"] for annotation in document["annotations"]}
    names = [image["file_name"] for image in document["images"] if image["id"] in with_boxes]
    return _Split(len(document["images"]), names)
