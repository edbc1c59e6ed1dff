"""What all requests of one fetch share: settings, deadline, project, and whom to report progress to."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import SecretStr

from tasks.errors import BadRequest, BadSettings
from tasks.labeling.roboflow.address import api_address
from tasks.settings import RoboflowSettings

KEY_VARIABLE = "NASFLOW_ROBOFLOW_API_KEY"
KEYS_VARIABLE = "NASFLOW_ROBOFLOW_API_KEYS"

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
        return key_of(self.settings, self.workspace).get_secret_value()

    @property
    def key_variable(self) -> str:
        """The environment variable that has the key."""
        return KEYS_VARIABLE if self.workspace in self.settings.api_keys else KEY_VARIABLE

    @property
    def title(self) -> str:
        """Name of the project in messages."""
        return f"project {self.workspace}/{self.project}"

    def version_title(self, number: int) -> str:
        """Name of a version in messages."""
        return f"{self.workspace}/{self.project} version {number}"


def key_of(settings: RoboflowSettings, workspace: str) -> SecretStr:
    """The key of a workspace: its own, or else the one for all."""
    return settings.api_keys.get(workspace, settings.api_key)


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
    if not key_of(settings, workspace).get_secret_value():
        raise BadSettings(
            f"environment variable {KEY_VARIABLE} is empty, and {KEYS_VARIABLE} has no key of workspace {workspace}; "
            "set one of them to a private key of the workspace"
        )
    for kind, name in (("workspace", workspace), ("project", project)):
        if not re.fullmatch(r"[\w.-]+", name) or name.strip(".") == "":
            raise BadRequest(f"Roboflow {kind} {name!r} cannot be; take the name from the project's URL")
    deadline = Deadline(time.monotonic() + settings.deadline, settings.deadline)
    return ProjectAccess(settings, api_address(settings.api_url), deadline, workspace, project, on_progress)
