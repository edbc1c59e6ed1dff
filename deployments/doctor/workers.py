"""Check of what takes flow runs: work pools, their queues, workers and deployments."""

from collections.abc import Iterator

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from deployments.doctor.check import Check, check_of_faults
from deployments.remote.automations import SUPERVISE, WATCHED
from deployments.remote.pools import POOLS


def workers(client: SyncPrefectClient) -> Check:
    """Whether each pool has an online worker, and nothing is paused or missing."""
    faults = [*_missing_deployments(client), *(fault for pool in POOLS for fault in _faults_of_pool(client, pool))]
    remedy = (
        "start a worker with `nasflow worker --pool POOL`, resume in Prefect's UI what is paused, "
        "and run `nasflow deploy` for what is missing"
    )
    return check_of_faults("workers", f"pools {' and '.join(POOLS)} have online workers", faults, remedy)


def _missing_deployments(client: SyncPrefectClient) -> Iterator[str]:
    for name in (*WATCHED, SUPERVISE):
        try:
            if client.read_deployment_by_name(name).paused:
                yield f"deployment {name} is paused"
        except ObjectNotFound:
            yield f"deployment {name} is missing"


def _faults_of_pool(client: SyncPrefectClient, name: str) -> Iterator[str]:
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        yield f"work pool {name} is missing"
        return
    if pool.is_paused:
        yield f"work pool {name} is paused"
    for queue in client.read_work_queues(work_pool_name=name):
        if queue.is_paused and not pool.is_paused:
            yield f"queue {queue.name} of work pool {name} is paused"
    if not any(worker.status == "ONLINE" for worker in client.read_workers_for_work_pool(name)):
        yield f"work pool {name} has no online worker"
