"""Which nasflow this is, and with which one a Prefect server was deployed: kept there as a variable."""

import hashlib
import importlib.metadata
from pathlib import Path
from typing import TYPE_CHECKING

import flows
import tasks
from deployments.remote.variables import set_variable
from tasks.metrics.scoring_number import SCORING
from tasks.training.spec import RECIPE

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

CodeVersion = dict[str, str | int]
"""``nasflow``, ``recipe``, ``scoring``, and ``code``, a digest of flows and tasks."""

VARIABLE = "nasflow_version"


def code_version() -> CodeVersion:
    """The nasflow of this process."""
    digest = hashlib.sha256()
    for package in (flows, tasks):
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{package.__name__}/{path.relative_to(folder).as_posix()}\0".encode())
            digest.update(path.read_bytes())
    version = importlib.metadata.version("nasflow")
    return {"nasflow": version, "recipe": RECIPE, "scoring": SCORING, "code": digest.hexdigest()[:12]}


def remember_version(client: "SyncPrefectClient") -> None:
    """Have the server know that it was deployed with this nasflow."""
    set_variable(client, VARIABLE, code_version())


def deployed_version(client: "SyncPrefectClient") -> CodeVersion | None:
    """The nasflow that a server was deployed with; None if it does not know."""
    variable = client.read_variable_by_name(VARIABLE)
    return variable.value if variable is not None and isinstance(variable.value, dict) else None


def in_words(version: CodeVersion) -> str:
    """A version for people."""
    return ", ".join(f"{name} {version.get(name, 'unknown')}" for name in ("nasflow", "recipe", "scoring", "code"))
