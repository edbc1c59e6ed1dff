"""What is checked before a worker starts: those checks of ``doctor`` that matter for it, and its rights."""

from collections.abc import Sequence
from dataclasses import dataclass

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from deployments.doctor import machine, services
from deployments.doctor.check import Check, check, with_settings_checked
from deployments.doctor.clock import clock
from deployments.doctor.server import ask, server
from deployments.doctor.version import version
from deployments.worker.rights import rights
from tasks.errors import NasflowError
from tasks.storage.s3 import Store


@dataclass(frozen=True)
class Findings:
    """What was found before a start.

    Attributes:
        checks: All checks.
        gpus: Names of the GPUs that a trainer finds; empty for a worker that does not train.
    """

    checks: Sequence[Check]
    gpus: Sequence[str] = ()

    def refuse(self, *, strict: bool) -> bool:
        """Whether a worker must not start: on an error; if ``strict``, on a warning, too."""
        bad = {"error", "warning"} if strict else {"error"}
        return any(check["status"] in bad for check in self.checks)


def checks_of(pool: str, *, trains: bool) -> Findings:
    """Check this machine, the store and the server for a worker of a pool.

    Args:
        pool: The work pool.
        trains: Whether its flow runs train.

    Returns:
        What was found. The rights are tried only on a store that is fine.
    """
    checks = [with_settings_checked(function) for function in (machine.python, machine.disk, services.store)]
    if checks[-1]["status"] == "ok":
        checks.append(rights(Store.from_environment(), trains=trains))
    checks += ask([server, version, lambda client: _pool(client, pool)])
    checks.append(clock())
    if not trains:
        return Findings(checks)
    try:
        facts = machine.probe_trainer()
    except NasflowError as error:
        return Findings([*checks, check("trainer", "error", str(error), "run `make setup`, or use --pool default")])
    if not facts["gpus"]:
        message = f"no GPU: trains on {facts['device']}, which is slow"
        remedy = "see whether nvidia-smi lists the GPU, and whether torch is a build for its driver"
        return Findings([*checks, check("trainer", "warning", message, remedy)])
    return Findings([*checks, machine.describe_trainer(facts)], facts["gpus"])


def _pool(client: SyncPrefectClient, name: str) -> Check:
    """Whether the server has the pool; a paused one is no error, since a worker waits for it."""
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        return check("pool", "error", f"the server has no work pool {name}", "run `nasflow deploy`")
    if pool.type != "process":
        message = f"work pool {name} is of type {pool.type}: its flow runs are not processes of this machine"
        return check("pool", "error", message, "have Prefect's own worker of that type take its runs")
    if pool.is_paused:
        return check("pool", "warning", f"work pool {name} is paused", "resume it in Prefect's UI")
    return check("pool", "ok", f"work pool {name} is there")
