"""Which version of a Roboflow project to take."""

from dataclasses import dataclass

from tasks.errors import RoboflowRefused
from tasks.labeling.roboflow.access import ProjectAccess
from tasks.labeling.roboflow.generation import ChosenVersion, GenerationRule, generate_if_due
from tasks.labeling.roboflow.project import count_labelled, get_project, version_numbers


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


def choose_version(access: ProjectAccess, request: VersionRequest) -> ChosenVersion:
    """The version that a request asks for, which may be generated first.

    Raises:
        RoboflowRefused: there is no such version, or none at all.
        RoboflowUnavailable: no answer.
    """
    project = get_project(access)
    numbers = version_numbers(project, access.title)
    if request.version is not None:
        if request.version not in numbers:
            existing = ", ".join(map(str, sorted(numbers)[-10:])) or "none"
            raise RoboflowRefused(f"Roboflow {access.title} has no version {request.version}; it has {existing}")
        return ChosenVersion(request.version)
    latest = max(numbers, default=None)
    if request.generation is not None:
        return generate_if_due(access, latest, count_labelled(project, access.title), request.generation)
    if latest is None:
        raise RoboflowRefused(f"Roboflow {access.title} has no version; generate one there first")
    return ChosenVersion(latest)
