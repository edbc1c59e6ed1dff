"""What Roboflow says about a project and its versions."""

from collections.abc import Mapping
from typing import Any

from tasks.labeling.roboflow.access import ProjectAccess
from tasks.labeling.roboflow.api import call, call_once, field

_NO_PROJECT = "there is no such project; take its name from its URL"
_NO_VERSION = "there is no such version; take its number from its URL"


def get_project(access: ProjectAccess, *, retry: bool = True) -> object:
    """Ask about the project.

    Raises:
        RoboflowRefused: there is no such project.
        RoboflowUnavailable: no answer; without ``retry`` it is TryAgain.
    """

    def ask(adapter: Any) -> object:
        return adapter.get_project(access.key, access.workspace, access.project)

    return (call if retry else call_once)(access, access.title, ask, _NO_PROJECT)


def version_numbers(project: object, subject: str) -> list[int]:
    """Numbers of all versions, from an answer about the project.

    Raises:
        RoboflowRefused: the answer lacks them.
    """
    ids = (str(field(version, "id", str, subject)) for version in field(project, "versions", list, subject))
    numbers = (version_id.rpartition("/")[2] for version_id in ids)
    return [int(number) for number in numbers if number.isdigit()]


def count_labelled(project: object, subject: str) -> int:
    """Number of images that are labelled now, from an answer about the project.

    Raises:
        RoboflowRefused: the answer lacks it.
    """
    counts = field(project, "project", dict, subject)
    images: int = field(counts, "images", int, subject)
    unlabelled: int = field(counts, "unannotated", int, subject)
    return max(0, images - unlabelled)


def get_version(access: ProjectAccess, number: int) -> dict[str, Any]:
    """Ask about a version.

    Raises:
        RoboflowRefused: there is no such version.
        RoboflowUnavailable: no answer.
    """
    subject = access.version_title(number)

    def ask(adapter: Any) -> object:
        return adapter.get_version(access.key, access.workspace, access.project, str(number), nocache=True)

    version: dict[str, Any] = field(call(access, subject, ask, _NO_VERSION), "version", dict, subject)
    return version


def is_generating(version: Mapping[str, Any]) -> bool:
    """Whether a version is being generated."""
    return bool(version.get("generating"))
