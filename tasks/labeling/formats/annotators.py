"""COCO documents of Label Studio that name who drew each box: those of one annotator. Pure.

Label Studio lists an image once for each of its annotators, and names them if it is told to.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tasks.errors import BadRequest
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.coco_document import CocoDocument
from tasks.records import Split

FIELD = "annotator"


def of_annotator(
    documents: Mapping[Split, CocoDocument], annotator: str, findings: FindingCounter
) -> dict[Split, CocoDocument]:
    """The documents with the images and boxes of one annotator, and the images that nobody drew in.

    Args:
        documents: The documents by split.
        annotator: Name or id.
        findings: Counts images that only others labelled.

    Returns:
        The documents.

    Raises:
        BadRequest: no annotation is of this annotator.
    """
    names = {str(one[FIELD]) for document in documents.values() for one in document.annotations if FIELD in one}
    if not names:
        raise BadRequest(
            "no annotation names its annotator; export from Label Studio with LABEL_STUDIO_FORCE_ANNOTATOR_EXPORT "
            "set, or leave out --annotator"
        )
    if annotator not in names:
        raise BadRequest(f"no annotation is of the annotator {annotator}; there are {', '.join(sorted(names))}")
    return {split: _of_annotator(split, document, annotator, findings) for split, document in documents.items()}


def _of_annotator(split: Split, document: CocoDocument, annotator: str, findings: FindingCounter) -> CocoDocument:
    own = [one for one in document.annotations if str(one.get(FIELD)) == annotator]
    of_own, of_any = {one["image_id"] for one in own}, {one["image_id"] for one in document.annotations}
    entries = defaultdict(list)
    for image in document.images:
        entries[image["file_name"]].append(image)
    kept: list[dict[str, Any]] = []
    for name, listed in entries.items():
        if chosen := [image for image in listed if image["id"] in of_own]:
            kept += chosen
        elif not any(image["id"] in of_any for image in listed):
            kept.append(listed[0])
        else:
            findings.add("annotator-other", f"{split}/{name}")
    return replace(document, images=kept, annotations=own)
