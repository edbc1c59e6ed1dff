"""Workers of a pool, as the server knows them."""

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import WorkerStatus

from tasks.errors import ServerUnavailable


def online_workers(pool: str) -> int:
    """How many workers a pool has; at least 1, since a run without one waits, and its parent says so.

    Raises:
        ServerUnavailable: the server does not answer.
    """
    try:
        with get_client(sync_client=True) as client:
            workers = client.read_workers_for_work_pool(pool)
    except HTTPError as error:
        raise ServerUnavailable(f"the Prefect server does not tell the workers of {pool}: {error}") from None
    return max(1, sum(worker.status == WorkerStatus.ONLINE for worker in workers))
