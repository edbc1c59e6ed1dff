"""Checks of the Prefect server: whether it answers, and what it says about workers, schedules and runs.

Each request has a short limit, and after the first without an answer the rest is left out, so that ``doctor`` ends soon
on a server that is half dead.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.settings import (
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED,
    temporary_settings,
)

from deployments.doctor.automations import automations
from deployments.doctor.backup import backup
from deployments.doctor.check import Check, check
from deployments.doctor.flow_runs import silent_runs, waiting_runs
from deployments.doctor.leases import lease_storage
from deployments.doctor.schedules import schedules
from deployments.doctor.slowest_step import slowest_step
from deployments.doctor.version import version
from deployments.doctor.workers import workers
from deployments.remote.automations import NAMES
from deployments.remote.server import first_line, server_url
from tasks.errors import NasflowError

REQUEST_SECONDS = 5.0
REMEDY = "start the server, or set PREFECT_API_URL; then `nasflow deploy`"

ServerCheck = Callable[[SyncPrefectClient], Check]


def server_checks() -> list[Check]:
    """Whether the server answers; if it does, and has our deployments, all that it can be asked."""
    functions: list[ServerCheck] = [
        server, version, workers, schedules, silent_runs, waiting_runs, lease_storage, _automations, slowest_step,
        backup,
    ]  # fmt: skip
    return ask(functions)


def ask(functions: Sequence[ServerCheck]) -> list[Check]:
    """Make checks of a server, the first of which says whether it answers.

    Returns:
        The checks; that of the server and those before the first request without an answer.
    """
    checks: list[Check] = []
    try:
        with _impatient_client() as client:
            for function in functions:
                checks.append(function(client))
    except Exception as error:  # noqa: BLE001, whatever the client raises is what is wrong
        others = [found for found in checks if found["name"] != "server"]
        return [check("server", "error", first_line(error), REMEDY), *others]
    return checks


@contextmanager
def _impatient_client() -> Iterator[SyncPrefectClient]:
    """Prefect's client that asks once, and waits for seconds only."""
    server_url()
    impatient = {PREFECT_CLIENT_MAX_RETRIES: 0, PREFECT_CLIENT_SERVER_VERSION_CHECK_ENABLED: False}
    with temporary_settings(impatient):
        with get_client(httpx_settings={"timeout": REQUEST_SECONDS}, sync_client=True) as client:
            yield client


def _automations(client: SyncPrefectClient) -> Check:
    return automations(client, NAMES)


def server(client: SyncPrefectClient) -> Check:
    """Whether the server is well, and has our deployments.

    Raises:
        NasflowError: it is not, or has none.
    """
    url = server_url()
    if (problem := client.api_healthcheck()) is not None:
        raise NasflowError(f"{url}: {problem}")
    try:
        client.read_deployment_by_name("retrain/retrain")
    except ObjectNotFound:
        raise NasflowError(f"{url} answers, but has no deployment retrain/retrain") from None
    return check("server", "ok", f"{url} answers, and has the retrain deployment")
