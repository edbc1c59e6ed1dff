"""The work pools of nasflow on a Prefect server. A pool that exists keeps what people have set."""

from contextlib import suppress
from typing import TYPE_CHECKING

from deployments.remote.pool_templates import PoolType, template_of
from tasks.errors import BadRequest

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

POOLS = {
    "default": "Light flow runs: labels, the gate, publishing.",
    "gpu": "Training and evaluation; `nasflow worker` starts a worker for each GPU.",
}
FIRST_QUEUE = "supervise"
"""Of the pool default. A worker takes its runs before others that have waited for longer, which run for hours."""


def create_pools(client: "SyncPrefectClient", pool_type: PoolType | None = None) -> None:
    """Create the work pools, and the queue that comes first, that the server does not have yet.

    Args:
        client: Client of the server.
        pool_type: What workers of the pools are; None for those that there are, and processes in new ones.

    Raises:
        BadRequest: a pool is of another type, which Prefect cannot change. Nothing was created then.
    """
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists

    if pool_type is not None:
        _refuse_other_types(client, pool_type)
    for name, description in POOLS.items():
        template = template_of(name, pool_type or "process")
        pool = WorkPoolCreate(
            name=name, type=pool_type or "process", description=description, base_job_template=template
        )
        try:
            client.create_work_pool(pool)
        except ObjectAlreadyExists:
            continue
    with suppress(ObjectAlreadyExists):
        description = "Runs that look after others. They need a minute, and come first."
        client.create_work_queue(FIRST_QUEUE, description=description, priority=1, work_pool_name="default")


def _refuse_other_types(client: "SyncPrefectClient", pool_type: PoolType) -> None:
    for pool in client.read_work_pools():
        if pool.name in POOLS and pool.type != pool_type:
            raise BadRequest(
                f"--pool-type {pool_type}: the work pool {pool.name} is of type {pool.type} on this server, and a type "
                f"cannot be changed; leave the option out, or delete the pool in Prefect's UI, and repeat"
            )
