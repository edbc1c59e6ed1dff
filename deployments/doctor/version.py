"""Check of the version: whether this machine has the nasflow that the server was deployed with."""

from prefect.client.orchestration import SyncPrefectClient

from deployments.doctor.check import Check, check
from deployments.remote.code_version import CodeVersion, code_version, deployed_version, in_words

INSTALL = "install the same nasflow on all machines, then run `nasflow deploy`"


def version(client: SyncPrefectClient) -> Check:
    """Whether the server was deployed with the nasflow of this machine."""
    return compared(code_version(), deployed_version(client))


def compared(here: CodeVersion, deployed: CodeVersion | None) -> Check:
    """Make the check from two versions.

    Args:
        here: That of this machine.
        deployed: That of the server, or None if it does not know.

    Returns:
        The check. Other code of the same version, as in a clone that is worked on, is a warning.
    """
    if deployed is None:
        message = "the server does not know with which nasflow it was deployed"
        return check("version", "warning", message, "run `nasflow deploy`")
    if deployed == here:
        return check("version", "ok", f"{in_words(here)}, as on the server")
    message = f"this machine has {in_words(here)}, the server was deployed with {in_words(deployed)}"
    same = all(here.get(name) == deployed.get(name) for name in ("nasflow", "recipe", "scoring"))
    return check("version", "warning" if same else "error", message, INSTALL)
