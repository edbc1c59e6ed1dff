"""The work pools of nasflow on a Prefect server. A pool that exists keeps what people have set."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

POOLS = {
    "default": "Light flow runs: labels, the gate, publishing.",
    "gpu": "Training and evaluation; `nasflow worker` starts a worker for each GPU.",
}


def create_pools(client: "SyncPrefectClient") -> None:
    """Create the work pools that the server does not have yet."""
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    template = ProcessWorker.get_default_base_job_template()
    for name, description in POOLS.items():
        pool = WorkPoolCreate(name=name, type="process", description=description, base_job_template=template)
        try:
            client.create_work_pool(pool)
        except ObjectAlreadyExists:
            continue
