"""Giving images back to labelling in Roboflow: an image that the project has is tagged, any other is sent and tagged.

Labels of people are never touched: a tag is no label, and boxes of the model go up as predictions, which Roboflow does
not take for an image that has labels.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from deployments.offline.send import parse_upload
from deployments.remote.suspected_images import SuspectedLabels, detected_objects, fetch_image
from deployments.terminal.console import progress_bar, say, show_on
from tasks.errors import NasflowError
from tasks.evaluation.report.suspected_images import SuspectedImage
from tasks.images.orientation import AS_STORED, orientation_of
from tasks.images.source_names import source_name
from tasks.labeling.roboflow.access import ProjectAccess, open_access
from tasks.labeling.roboflow.project import get_project
from tasks.labeling.roboflow.project_images import comparable_name, find_images, tag_image
from tasks.labeling.roboflow.upload import Upload, coco_of, safe_file_name, send_image
from tasks.records import DetectedObject, LabelledImage, ReturnedImage
from tasks.settings import RoboflowSettings, from_environment
from tasks.storage.s3 import Store
from tasks.suggestion.returned_images import ReturnedImages, labels_digest


@dataclass(frozen=True)
class GivingBack:
    """Where images go, and which were given back before."""

    settings: RoboflowSettings
    workspace: str
    project: str
    store: Store
    labels: SuspectedLabels
    returned: ReturnedImages
    before: set[str]

    @property
    def tag(self) -> str:
        """The tag that the images get, of characters that are sure to be taken: Roboflow refuses tags with blanks."""
        return re.sub(r"[^A-Za-z0-9_-]+", "-", f"nasflow-relabel-{self.labels.model}")

    @property
    def is_source(self) -> bool:
        """Whether the labels came from this project, so that all images are there."""
        source = self.labels.snapshot.source
        name = source.name.partition(", search ")[0]  # of labels that a search found
        return source.kind == "roboflow" and name == f"{self.workspace}/{self.project}"

    def has(self, image: SuspectedImage) -> bool:
        """Whether an image was given back before, with the labels that it has in the snapshot."""
        return self.returned.name_of(image.labelled, self.labels.snapshot.classes) in self.before

    def access(self) -> ProjectAccess:
        """The project, with a deadline that begins now."""
        return open_access(self.settings, self.workspace, self.project, lambda done, total, text: None)


def open_giving_back(upload: str, store: Store, labels: SuspectedLabels) -> GivingBack:
    """Make sure that the project is there and the key may see it, before anything is drawn.

    Args:
        upload: ``WORKSPACE/PROJECT``.
        store: Remembers what was given back.
        labels: The labels that may be wrong.

    Returns:
        Where images go.

    Raises:
        BadRequest: it is not of that form.
        BadSettings: there is no key.
        RoboflowRefused: there is no such project.
        RoboflowUnavailable: no answer.
    """
    workspace, project = parse_upload(upload)
    returned = ReturnedImages(store, workspace, project)
    settings = from_environment(RoboflowSettings)
    giving_back = GivingBack(settings, workspace, project, store, labels, returned, returned.names())
    get_project(giving_back.access())
    return giving_back


def give_back_all(giving_back: GivingBack, images: Sequence[SuspectedImage], scratch: Path) -> dict[str, Any]:
    """Give images back, the most suspicious first, and remember each as soon as Roboflow has it with its tag.

    Args:
        giving_back: Where they go.
        images: The images.
        scratch: Folder for temporary files.

    Returns:
        What was given back, and by name what was not and why, as JSON would have it.

    Raises:
        RoboflowRefused: Roboflow does not take an image or its tag.
        RoboflowUnavailable: Roboflow does not answer.
    """
    outcomes: dict[str, list[str]] = {"tagged": [], "sent": []}
    not_returned: list[dict[str, str]] = []
    look_there = any(_may_be_there(giving_back, one.labelled.file_name) for one in images)
    known = _known_images(giving_back) if look_there else {}
    objects = detected_objects(giving_back.store, giving_back.labels, scratch) if images else {}
    with progress_bar(f"{len(images)} images to Roboflow") as bar:
        show = show_on(bar.show)
        try:
            for done, one in enumerate(images, start=1):
                name = one.labelled.file_name
                found = known.get(comparable_name(source_name(name)), []) if _may_be_there(giving_back, name) else []
                if why := _why_not(giving_back, found):
                    not_returned.append({"image": name, "why": why})
                else:
                    path = fetch_image(giving_back.store, one, scratch)
                    outcome = _give_back(giving_back, one, path, found, objects.get(name, []))
                    outcomes[outcome].append(name)
                show(done, len(images))
        except NasflowError:
            count = sum(map(len, outcomes.values()))
            say(f"{count} of {len(images)} images were given back and are remembered; the same command goes on")
            raise
    return {
        "workspace": giving_back.workspace, "project": giving_back.project, "tag": giving_back.tag, **outcomes,
        "not_returned": not_returned,
    }  # fmt: skip


def _known_images(giving_back: GivingBack) -> Mapping[str, list[str]]:
    with progress_bar("images of the project") as bar:
        return find_images(giving_back.access(), show_on(bar.show))


def _may_be_there(giving_back: GivingBack, name: str) -> bool:
    """Whether an image is looked for by its name: other labels may have the same names for other images."""
    return giving_back.is_source or source_name(name) != name


def _why_not(giving_back: GivingBack, found: Sequence[str]) -> str | None:
    """Why an image cannot be given back: a second copy must not come to the project that it is from."""
    if len(found) > 1:
        return f"{len(found)} images of the project have this name"
    if giving_back.is_source and not found:
        return "no image of the project has this name"
    return None


def _give_back(
    giving_back: GivingBack, image: SuspectedImage, path: Path, found: Sequence[str], objects: Sequence[DetectedObject]
) -> Literal["tagged", "sent"]:
    labelled, labels, tag = image.labelled, giving_back.labels, giving_back.tag
    outcome: Literal["tagged", "sent"] = "tagged"
    access = giving_back.access()
    image_id = next(iter(found), None)
    if image_id is None:
        uploaded = _send(access, labelled, path, objects, tag)
        image_id = uploaded.image_id
        outcome = "sent" if uploaded.outcome == "sent" else "tagged"
    tag_image(access, labelled.file_name, image_id, tag)
    giving_back.returned.write(
        ReturnedImage(
            image=labelled.file_name, sha256=labelled.sha256, model=labels.model, image_id=image_id, tag=tag,
            labels_digest=labels_digest(labelled, labels.snapshot.classes), outcome=outcome,
        )
    )  # fmt: skip
    return outcome


def _send(
    access: ProjectAccess, image: LabelledImage, path: Path, objects: Sequence[DetectedObject], batch: str
) -> Upload:
    file = path.rename(path.with_name(safe_file_name(image.file_name, image.sha256)))
    with Image.open(file) as opened:
        # Roboflow keeps such a file as it is, and does not tell which of its two images boxes mean.
        is_upright = orientation_of(opened) == AS_STORED
    boxes = coco_of(file.name, (image.width, image.height), objects) if is_upright else None
    return send_image(access, file, image.file_name, boxes, batch)
