"""What all requests of one fetch share: settings, deadline, project, and whom to report progress to."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from tasks.errors import BadRequest, BadSettings
from tasks.labeling.roboflow.address import api_address
from tasks.settings import RoboflowSettings

KEY_VARIABLE = "NASFLOW_ROBOFLOW_API_KEY"

OnProgress = Callable[[float, float, str], None]
"""Called with how much is done, how much there is in all, and the same in words."""


@dataclass(frozen=True)
class Deadline:
    """The time by which a fetch has to be done."""

    at: float
    """On the monotonic clock, in seconds."""
    seconds: float
    """How long the fetch may take in all."""

    @property
    def left(self) -> float:
        """Seconds until the deadline, negative after it."""
        return self.at - time.monotonic()


@dataclass(frozen=True)
class ProjectAccess:
    """One fetch from a Roboflow project."""

    settings: RoboflowSettings
    api_url: str
    """Base URL of the API, without a slash at the end."""
    deadline: Deadline
    workspace: str
    project: str
    on_progress: OnProgress

    @property
    def key(self) -> str:
        """The API key. Only the roboflow package and ``http.send`` may see it."""
        return self.settings.api_key.get_secret_value()

    @property
    def title(self) -> str:
        """Name of the project in messages."""
        return f"project {self.workspace}/{self.project}"

    def version_title(self, number: int) -> str:
        """Name of a version in messages."""
        return f"{self.workspace}/{self.project} version {number}"


def open_access(settings: RoboflowSettings, workspace: str, project: str, on_progress: OnProgress) -> ProjectAccess:
    """Begin with a project; its deadline begins now.

    Args:
        settings: Key, address, timeout and deadline.
        workspace: Workspace of the project.
        project: The project.
        on_progress: Called while waiting.

    Returns:
        What all requests share.

    Raises:
        BadSettings: there is no key, or the address is wrong.
        BadRequest: a name that no workspace or project can have.
    """
    if not settings.api_key.get_secret_value():
        raise BadSettings(f"environment variable {KEY_VARIABLE} is empty; set it to a private key of the workspace")
    for kind, name in (("workspace", workspace), ("project", project)):
        if not re.fullmatch(r"[\w.-]+", name) or name.strip(".") == "":
            raise BadRequest(f"Roboflow {kind} {name!r} cannot be; take the name from the project's URL")
    deadline = Deadline(time.monotonic() + settings.deadline, settings.deadline)
    return ProjectAccess(settings, api_address(settings.api_url), deadline, workspace, project, on_progress)
