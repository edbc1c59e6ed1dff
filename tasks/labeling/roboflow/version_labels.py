"""How many images of a version had boxes when it was made, counted in its COCO export.

A version's size does not tell: images without labels are in it, too.
"""

import json
import zipfile
from collections.abc import Mapping
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
    try:
        with zipfile.ZipFile(archive) as file:
            members = [name for name in file.namelist() if PurePosixPath(name).name == LABELS]
            counts = [_count(json.loads(file.read(name)), has_copies=has_copies) for name in members]
    except (ValueError, KeyError, TypeError):
        return None  # whoever checks the export says what is wrong with its labels
    return sum(counts) if counts else None


def _count(document: Mapping[str, Any], *, has_copies: bool) -> int:
    with_boxes = {annotation["image_id"] for annotation in document["annotations"]}
    names = [image["file_name"] for image in document["images"] if image["id"] in with_boxes]
    return len({source_name(name) for name in names}) if has_copies else len(names)
