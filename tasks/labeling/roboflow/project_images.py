"""Images that a project has: found by their names, and tagged so that a person finds them. Labels are not touched."""

import re
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from tasks.errors import RoboflowRefused
from tasks.labeling.roboflow.access import ProjectAccess
from tasks.labeling.roboflow.api import CHECK_URL, call, field
from tasks.labeling.roboflow.refusals import missing

PAGE_SIZE = 100
_NO_SEARCH = "it does not list the project's images; try the search in Roboflow"
_NO_IMAGE = missing("image", "look for it in Roboflow; to tag images, the key needs the scope image:tag")


def comparable_name(file_name: str) -> str:
    """What an image's name in a project has in common with the name of its source in an export.

    An export calls ``My image (1).JPG`` such as ``My-image-1-_JPG.rf.<hash>.jpg``. Which characters are replaced is not
    documented, so only ASCII letters and digits are compared.

    Args:
        file_name: The name in the project, or what ``source_name`` gives for the name in an export.

    Returns:
        Runs of letters and digits, in lower case, with one ``-`` between them.
    """
    return re.sub(r"[^a-z0-9]+", "-", file_name.lower()).strip("-")


def find_images(access: ProjectAccess, on_image: Callable[[int, int], None]) -> dict[str, list[str]]:
    """List the images of a project, whether they are labelled or not.

    All are listed, instead of each name being searched for: how the search compares names is not documented.

    Args:
        access: The project, with a deadline for the whole list.
        on_image: Called with the numbers of images listed and of all images.

    Returns:
        Roboflow's ids of the images, by their comparable names.

    Raises:
        RoboflowRefused: the answer is no, or cannot be read.
        RoboflowUnavailable: no answer in any attempt, or not all within the deadline.
    """
    subject = f"{access.title}, its images"
    ids: dict[str, list[str]] = defaultdict(list)
    listed, token, tokens = 0, None, set[str]()
    while True:
        page = _page(access, subject, token)
        results = field(page, "results", list, subject)
        for result in results:
            ids[comparable_name(field(result, "filename", str, subject))].append(field(result, "id", str, subject))
        listed += len(results)
        on_image(listed, max(listed, int(field(page, "total", int, subject))))
        token = page.get("continuationToken")
        # A page may be shorter than asked for, so only an empty one, or one without a token, is the last.
        if not results or not token:
            return {name: sorted(set(found)) for name, found in ids.items()}
        if token in tokens:
            raise RoboflowRefused(f"Roboflow {subject}: the list goes in a circle; {CHECK_URL}")
        tokens.add(token)


def tag_image(access: ProjectAccess, image: str, image_id: str, tag: str) -> None:
    """Add a tag to an image. Doing it again does no harm.

    Args:
        access: The project, with a deadline for this image.
        image: Name of the image in messages.
        image_id: Roboflow's id of it.
        tag: Letters, digits, ``-`` and ``_``.

    Raises:
        RoboflowRefused: the answer is no, or no success.
        RoboflowUnavailable: no answer in any attempt.
    """
    subject = f"{access.title}, tag of {image}"

    def ask(adapter: Any) -> Any:
        return adapter.update_image_metadata(access.key, access.workspace, image_id, add_tags=[tag])

    answer = call(access, subject, ask, _NO_IMAGE)
    if not (isinstance(answer, dict) and answer.get("success")):
        raise RoboflowRefused(f"Roboflow {subject}: the answer is no success; {_NO_IMAGE}")


def _page(access: ProjectAccess, subject: str, token: str | None) -> Any:
    def ask(adapter: Any) -> Any:
        query, fields = f"project:{access.project}", ["id", "filename"]
        return adapter.workspace_search(access.key, access.workspace, query, PAGE_SIZE, fields, token)

    return call(access, subject, ask, _NO_SEARCH)
