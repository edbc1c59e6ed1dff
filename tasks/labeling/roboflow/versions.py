"""Which version of a Roboflow project to take."""

from dataclasses import dataclass
from pathlib import Path

from tasks.errors import RoboflowRefused
from tasks.labeling.roboflow.access import ProjectAccess
from tasks.labeling.roboflow.generation import ChosenVersion, GenerationRule, Labelled, generate_if_due
from tasks.labeling.roboflow.project import count_labelled, get_project, is_new, list_versions


@dataclass(frozen=True)
class VersionRequest:
    """Which version of which project is asked for."""

    workspace: str
    """As its URL names it; the same for the project."""
    project: str
    version: int | None = None
    """Version number; None for the latest, which is the highest."""
    generation: GenerationRule | None = None
    """When to generate a new version first; None for never, as with a version number."""
    query: str | None = None
    """Instead of a version: which images to take, in the language of Roboflow's search."""


def choose_version(access: ProjectAccess, request: VersionRequest, archive: Path) -> ChosenVersion:
    """The version that a request asks for, which may be generated first.

    Args:
        access: The fetch.
        request: The version.
        archive: Where an export goes that has to be counted before it is known whether a new version is due.

    Returns:
        The version; its export is at ``archive`` if that was needed.

    Raises:
        RoboflowRefused: there is no such version, or none at all.
        RoboflowUnavailable: no answer.
    """
    project = get_project(access)
    versions = list_versions(project, access.title)
    if request.version is not None:
        if request.version not in versions:
            existing = ", ".join(map(str, sorted(versions)[-10:])) or "none"
            raise RoboflowRefused(f"Roboflow {access.title} has no version {request.version}; it has {existing}")
        return ChosenVersion(request.version, is_new(versions[request.version]))
    number = max(versions, default=None)
    latest = None if number is None else ChosenVersion(number, is_new(versions[number]))
    if request.generation is not None:
        labelled = Labelled(count_labelled(project, access.title), archive)
        return generate_if_due(access, latest, labelled, request.generation)
    if latest is None:
        raise RoboflowRefused(f"Roboflow {access.title} has no version; generate one there first")
    return latest
