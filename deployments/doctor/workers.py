"""Check of what takes flow runs: work pools, their queues, workers and deployments."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import WorkQueue
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from deployments.doctor.check import Check, check_of_faults
from deployments.doctor.clock import server_time
from deployments.remote.automations import SUPERVISE, WATCHED
from deployments.remote.pools import POOLS

NOT_TAKEN = timedelta(minutes=1)
"""Workers ask for the runs of a queue every 10 seconds or more often."""


def workers(client: SyncPrefectClient) -> Check:
    """Whether workers take what each deployment asks for, and no pool, queue or deployment is paused or missing."""
    deployments = {name: _deployment(client, name) for name in (*WATCHED, SUPERVISE)}
    used = {(one.work_pool_name, one.work_queue_name) for one in deployments.values() if one}
    faults = [
        *(fault for name, one in deployments.items() for fault in _faults_of_deployment(name, one)),
        *(fault for pool in POOLS for fault in _faults_of_pool(client, pool, used)),
    ]
    remedy = (
        "start a worker with `nasflow worker --pool POOL`, resume in Prefect's UI what is paused, "
        "and run `nasflow deploy` for what is missing"
    )
    return check_of_faults("workers", f"pools {' and '.join(POOLS)} have online workers", faults, remedy)


def _deployment(client: SyncPrefectClient, name: str) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(name)
    except ObjectNotFound:
        return None


def _faults_of_deployment(name: str, deployment: DeploymentResponse | None) -> Iterator[str]:
    if deployment is None:
        yield f"deployment {name} is missing"
    elif deployment.work_pool_name is None:
        yield f"deployment {name} is missing a work pool: its pool or its queue was deleted"
    elif deployment.paused:
        yield f"deployment {name} is paused"


def _faults_of_pool(client: SyncPrefectClient, name: str, used: set[tuple[str | None, str | None]]) -> Iterator[str]:
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        yield f"work pool {name} is missing"
        return
    queues = client.read_work_queues(work_pool_name=name)
    if pool.is_paused:
        yield f"work pool {name} is paused"
    else:
        yield from (f"queue {queue.name} of work pool {name} is paused" for queue in queues if queue.is_paused)
    if not any(worker.status == "ONLINE" for worker in client.read_workers_for_work_pool(name)):
        yield f"work pool {name} has no online worker"
        return
    now = server_time(client)
    for queue in queues:
        if (name, queue.name) in used and not _is_taken(queue, now):
            yield f"no worker takes queue {queue.name} of work pool {name}: start one without --work-queue"


def _is_taken(queue: WorkQueue, now: datetime) -> bool:
    """Whether a worker asks for runs of a queue; a worker that names other queues never does."""
    looked = queue.last_polled or queue.created
    return queue.is_paused or looked is None or now - looked < NOT_TAKEN
