"""Sending chosen images to a Roboflow project, each once."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.terminal.console import progress_bar, say, show_on
from tasks.errors import BadRequest, NasflowError
from tasks.labeling.roboflow.access import open_access
from tasks.labeling.roboflow.project import get_project
from tasks.labeling.roboflow.upload import coco_of, safe_name, send_image
from tasks.records import Choice, SeenImage, SentImage
from tasks.settings import RoboflowSettings, from_environment
from tasks.storage.s3 import Store
from tasks.suggestion.sent_images import SentImages, SentInFolder, SentInStore


@dataclass(frozen=True)
class Sending:
    """Where images go, and what went there before."""

    settings: RoboflowSettings
    workspace: str
    project: str
    sent: SentImages
    seen: Sequence[SeenImage]


def open_sending(upload: str, store: Store | None, out: Path) -> Sending:
    """Make sure that the project is there and the key may see it, before anything is computed.

    Args:
        upload: ``WORKSPACE/PROJECT``.
        store: Remembers what was sent; None if the model is a file.
        out: Folder of the results, which remembers it otherwise.

    Returns:
        Where images go.

    Raises:
        BadRequest: it is not of that form.
        BadSettings: there is no key.
        RoboflowRefused: there is no such project.
        RoboflowUnavailable: no answer.
    """
    workspace, project = parse_upload(upload)
    settings = from_environment(RoboflowSettings)
    # An upload names no workspace, so it could go to a project of another one.
    get_project(open_access(settings, workspace, project, _no_progress))
    sent: SentImages = (
        SentInStore(store, workspace, project) if store else SentInFolder(out.absolute(), workspace, project)
    )
    seen = [
        SeenImage(image=one.image, sha256=one.sha256, difference_hash=one.difference_hash, seen="sent before")
        for one in sent.read()
    ]
    return Sending(settings, workspace, project, sent, seen)


def parse_upload(upload: str) -> tuple[str, str]:
    """Workspace and project of ``WORKSPACE/PROJECT``.

    Raises:
        BadRequest: it is not of that form.
    """
    workspace, slash, project = upload.partition("/")
    if not (workspace and slash and project) or "/" in project:
        raise BadRequest(f"--upload {upload}: give WORKSPACE/PROJECT, as in the project's URL")
    return workspace, project


def send_all(
    sending: Sending, choice: Choice, threshold: float, folder: Path, files: Sequence[str], batch: str
) -> dict[str, Any]:
    """Send chosen images, the best first, and remember each as soon as Roboflow has it.

    Args:
        sending: Where they go.
        choice: The images.
        threshold: Boxes from this score on are sent as predictions.
        folder: Folder of their files.
        files: Name of the file of each.
        batch: Name of the batch.

    Returns:
        What was sent, as JSON would have it.

    Raises:
        RoboflowRefused: Roboflow does not take an image.
        RoboflowUnavailable: Roboflow does not answer.
    """
    outcomes: Counter[str] = Counter()
    batch, total = safe_name(batch), len(files)
    with progress_bar(f"{total} images to Roboflow") as bar:
        show = show_on(bar.show)
        try:
            for one, file in zip(choice.suggestions, files, strict=True):
                candidate = one.candidate
                access = open_access(sending.settings, sending.workspace, sending.project, _no_progress)
                # Roboflow keeps such a file as it is, and does not tell which of its two images boxes mean.
                boxes = () if candidate.rotated else candidate.detected(threshold)
                document = coco_of(file, (candidate.width, candidate.height), boxes)
                uploaded = send_image(access, folder / file, candidate.image, document, batch)
                sending.sent.write(
                    SentImage(
                        image=candidate.image, sha256=candidate.sha256, difference_hash=candidate.difference_hash,
                        image_id=uploaded.image_id, batch=batch, outcome=uploaded.outcome,
                    )
                )  # fmt: skip
                outcomes[uploaded.outcome] += 1
                show(outcomes.total(), total)
        except NasflowError:
            say(f"{outcomes.total()} of {total} images were sent and are remembered; the same command sends others")
            raise
    return {
        "workspace": sending.workspace, "project": sending.project, "batch": batch,
        "sent": outcomes["sent"], "there_already": outcomes["there already"],
    }  # fmt: skip


def _no_progress(done: float, total: float, text: str) -> None:
    """Nobody is told about the waiting for one image."""
