"""What Roboflow says about a project and its versions."""

import time
from collections.abc import Mapping
from typing import Any

from tasks.errors import RoboflowRefused
from tasks.labeling.roboflow.access import ProjectAccess
from tasks.labeling.roboflow.api import call, call_once, field
from tasks.labeling.roboflow.refusals import missing

NEW_SECONDS = 900.0
"""A version that was created less long ago may still be empty, or not be found."""
_NO_PROJECT = missing("project", "take its name from its URL")
_NO_VERSION = missing("version", "take its number from its URL")
_MAX_SECONDS = 1e11
"""Larger times are in milliseconds; Roboflow's answers have both."""


def get_project(access: ProjectAccess, *, retry: bool = True) -> object:
    """Ask about the project.

    Raises:
        RoboflowNotFound: there is no such project, or the key may not see it.
        RoboflowUnavailable: no answer; without ``retry`` it is TryAgain.
    """

    def ask(adapter: Any) -> object:
        # The adapter's get_project() does not ask for a fresh answer, so a new version may be missing in its list.
        url = f"{adapter.API_URL}/{access.workspace}/{access.project}?api_key={access.key}&nocache=true"
        answer: object = adapter.http.get(url).json()
        return answer

    return (call if retry else call_once)(access, access.title, ask, _NO_PROJECT)


def list_versions(project: object, subject: str) -> dict[int, Mapping[str, Any]]:
    """All versions by number, from an answer about the project: beside ``project``, or within it as documented.

    Raises:
        RoboflowRefused: the answer lacks them.
    """
    nested = project.get("project") if isinstance(project, dict) and "versions" not in project else None
    versions = field(nested if isinstance(nested, dict) else project, "versions", list, subject)
    numbers = (str(field(version, "id", str, subject)).rpartition("/")[2] for version in versions)
    return {int(number): version for number, version in zip(numbers, versions, strict=True) if number.isdigit()}


def count_labelled(project: object, subject: str) -> int:
    """Number of images that are labelled now, those marked as empty among them, from an answer about the project.

    Raises:
        RoboflowRefused: the answer lacks it.
    """
    counts = field(project, "project", dict, subject)
    images: int = field(counts, "images", int, subject)
    unlabelled: int = field(counts, "unannotated", int, subject)
    return max(0, images - unlabelled)


def count_with_boxes(access: ProjectAccess) -> int | None:
    """Number of images that have boxes now, counted by Roboflow at this moment; None if it does not say.

    Its documentation has other names for the counts than its answers.
    """

    def ask(adapter: Any) -> object:
        return adapter.get_project_health(access.key, access.workspace, access.project, regenerate=True)

    try:
        answer = call(access, f"{access.title}, its health", ask)
    except RoboflowRefused:
        return None
    stats = answer.get("stats") if isinstance(answer, dict) else None
    for names in (("images", "unannotated", "empty"), ("numImages", "missingAnnotations", "nullAnnotations")):
        values = [stats.get(name) for name in names] if isinstance(stats, dict) else []
        counts = [value for value in values if isinstance(value, int)]
        if len(counts) == len(names):
            images, unlabelled, empty = counts
            return max(0, images - unlabelled - empty)
    return None


def get_version(access: ProjectAccess, number: int) -> dict[str, Any]:
    """Ask about a version.

    Raises:
        RoboflowNotFound: there is no such version, or not yet.
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


def has_failed(answer: Mapping[str, Any]) -> bool:
    """Whether generating a version, or exporting it, has failed."""
    return bool(answer.get("error") or answer.get("failed") or answer.get("status") in ("failed", "error"))


def is_new(version: Mapping[str, Any]) -> bool:
    """Whether a version was created less than NEW_SECONDS ago; False if Roboflow does not say when it was."""
    created = version.get("created")
    if not isinstance(created, int | float):
        return False
    return time.time() - (created / 1000 if created > _MAX_SECONDS else created) < NEW_SECONDS
