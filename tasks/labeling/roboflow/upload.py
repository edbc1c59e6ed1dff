"""Sending an image to a project, with boxes as predictions, which a person accepts or corrects before they are labels.

The package's ``Project.single_upload()`` does two requests, and these two are made here through its adapter: so each is
tried again by itself, and its ``Project``, which prints, is not needed. Folders are not sent with it, since it guesses
their splits from the text of the path. It puts the names of annotation and batch into the URL as they are: after a
``#`` the server would not see ``prediction=true``, and take the boxes for labels. So names are made of ``SAFE``
characters.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from tasks.errors import RoboflowRefused
from tasks.labeling.roboflow.access import ProjectAccess
from tasks.labeling.roboflow.api import call
from tasks.labeling.roboflow.refusals import own_words
from tasks.records import DetectedObject

SAFE = "A-Za-z0-9._-"
MAX_NAME = 100
_NOT_TAKEN = "it does not take the image; try it in Roboflow"

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Upload:
    """What came of sending an image."""

    image_id: str
    """Roboflow's id of it."""
    outcome: Literal["sent", "there already"]


def safe_name(name: str) -> str:
    """A name in which each run of characters that would mean something in a URL is one ``-``.

    Args:
        name: Any name.

    Returns:
        At most MAX_NAME characters, the last ones, without ``-`` and ``.`` around them.
    """
    return re.sub(rf"[^{SAFE}]+", "-", name)[-MAX_NAME:].strip("-.") or "image"


def safe_file_name(name: str, sha256: str) -> str:
    """A name for an image's file that is its own, safe in URLs, and tells the kind of the file by its suffix.

    Args:
        name: Name of the image.
        sha256: SHA-256 of its file.

    Returns:
        The name.
    """
    path = Path(name)
    suffix = f".{safe_name(path.suffix.lower())}" if path.suffix else ""
    return f"{safe_name(path.stem)}-{sha256[:12]}{suffix}"


def send_image(access: ProjectAccess, path: Path, image: str, boxes: Mapping[str, Any] | None, batch: str) -> Upload:
    """Send an image and its boxes. Doing it again does no harm: Roboflow knows images by their content.

    Args:
        access: The project, with a deadline for this image.
        path: The file; its name is made of safe characters.
        image: Name of the image in messages.
        boxes: COCO document with what to send as predictions; None to send the image alone.
        batch: Name of the batch, made of safe characters.

    Returns:
        What came of it.

    Raises:
        RoboflowRefused: the answer is no, or no success.
        RoboflowUnavailable: no answer in any attempt.
    """
    subject = f"{access.title}, upload of {image}"
    answer = _call(
        access,
        subject,
        lambda adapter: adapter.upload_image(access.key, access.project, str(path), batch_name=batch),
    )
    image_id, is_there = str(answer.get("id", "")), bool(answer.get("duplicate"))
    if not re.fullmatch(r"[\w-]+", image_id):
        raise RoboflowRefused(f"Roboflow {subject}: the answer has no id of the image; {_NOT_TAKEN}")
    if boxes:
        text = json.dumps(boxes)
        answer = _call(
            access,
            f"{subject}, its boxes",
            lambda adapter: adapter.save_annotation(
                access.key, access.project, f"{path.stem}.json", text, image_id, job_name=batch, is_prediction=True
            ),
        )
        is_there = is_there or "warn" in answer  # a conflict: it has boxes already
    return Upload(image_id, "there already" if is_there else "sent")


def coco_of(file_name: str, size: tuple[int, int], objects: Sequence[DetectedObject]) -> dict[str, Any] | None:
    """Boxes of an image as a COCO document.

    Args:
        file_name: Name that the image is sent under.
        size: Its width and height in pixels.
        objects: Its boxes.

    Returns:
        The document; None without boxes.
    """
    if not objects:
        return None
    names = sorted({one.class_name for one in objects})
    return {
        "images": [{"id": 1, "file_name": file_name, "width": size[0], "height": size[1]}],
        "categories": [{"id": number, "name": name} for number, name in enumerate(names, start=1)],
        "annotations": [
            {
                "id": number, "image_id": 1, "category_id": names.index(one.class_name) + 1, "bbox": list(one.bbox),
                "area": round(one.bbox[2] * one.bbox[3], 2), "iscrowd": 0, "score": one.score,
            }
            for number, one in enumerate(objects, start=1)
        ],
    }  # fmt: skip


def _call(access: ProjectAccess, subject: str, function: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Call the adapter; an answer that it does not take for a success is a refusal."""

    def ask(adapter: Any) -> dict[str, Any] | str:
        try:
            return function(adapter)
        except adapter.RoboflowError as error:
            return str(error)  # raised below, so that the error has no context: it may hold the server's answer

    answer = call(access, subject, ask, _NOT_TAKEN)
    if not isinstance(answer, dict):
        is_text = not str(answer).startswith(("{", "<"))  # else the whole answer, as Python writes it
        words = own_words({"error": answer}, access.key) if is_text else ""
        said = f" ({words})" if words else ""
        raise RoboflowRefused(f"Roboflow {subject}: the answer is no success{said}; {_NOT_TAKEN}")
    return answer
