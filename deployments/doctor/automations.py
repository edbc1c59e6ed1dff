"""Check of the automations that the server should have."""

from collections.abc import Sequence

from prefect.client.orchestration import SyncPrefectClient

from deployments.doctor.check import Check, check_of_faults


def automations(client: SyncPrefectClient, expected: Sequence[str]) -> Check:
    """Whether the server has all automations, switched on.

    Args:
        client: Prefect's client.
        expected: Names of the automations.

    Returns:
        The check.
    """
    enabled = {automation.name: automation.enabled for automation in client.read_automations()}
    faults = [f"{name!r} is missing" for name in expected if name not in enabled]
    faults += [f"{name!r} is switched off" for name in expected if enabled.get(name) is False]
    remedy = "run `nasflow deploy`, and switch on in Prefect's UI what is off"
    return check_of_faults("automations", f"{len(expected)} of {len(expected)} are there", faults, remedy)
