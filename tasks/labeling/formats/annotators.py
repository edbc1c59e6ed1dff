"""COCO documents of Label Studio that name who drew each box: those of one annotator. Pure.

Label Studio lists an image once for each of its annotators, and names them if it is told to.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from tasks.errors import BadRequest
from tasks.labeling.findings import FindingCounter
from tasks.records import Split

FIELD = "annotator"


def of_annotator(documents: Mapping[Split, object], annotator: str, findings: FindingCounter) -> dict[Split, object]:
    """The documents with the images and boxes of one annotator, and the images that nobody drew in.

    Args:
        documents: Parsed JSON by split. What is not COCO JSON stays, to be refused where it is read.
        annotator: Name or id.
        findings: Counts images that only others labelled.

    Returns:
        The documents.

    Raises:
        BadRequest: no annotation is of this annotator.
    """
    names = {
        str(one[FIELD]) for document in documents.values() for one in _objects(document, "annotations") if FIELD in one
    }
    if not names:
        raise BadRequest(
            "no annotation names its annotator; export from Label Studio with LABEL_STUDIO_FORCE_ANNOTATOR_EXPORT "
            "set, or leave out --annotator"
        )
    if annotator not in names:
        raise BadRequest(f"no annotation is of the annotator {annotator}; there are {', '.join(sorted(names))}")
    return {split: _of_annotator(split, document, annotator, findings) for split, document in documents.items()}


def _of_annotator(split: Split, document: object, annotator: str, findings: FindingCounter) -> object:
    if not isinstance(document, dict):
        return document
    annotations, images = _objects(document, "annotations"), _objects(document, "images")
    own = [one for one in annotations if str(one.get(FIELD)) == annotator]
    of_own, of_any = {one.get("image_id") for one in own}, {one.get("image_id") for one in annotations}
    entries = defaultdict(list)
    for image in images:
        entries[image.get("file_name")].append(image)
    kept: list[dict[str, Any]] = []
    for name, listed in entries.items():
        if chosen := [image for image in listed if image.get("id") in of_own]:
            kept += chosen
        elif not any(image.get("id") in of_any for image in listed):
            kept.append(listed[0])
        else:
            findings.add("annotator-other", f"{split}/{name}")
    return {**document, "images": kept, "annotations": own}


def _objects(document: object, key: str) -> list[dict[str, Any]]:
    items = document.get(key) if isinstance(document, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
