"""A look at the work pools: what waits in their queues, and which workers are online."""

from dataclasses import dataclass
from datetime import datetime

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterNextScheduledStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
    WorkQueueFilter,
    WorkQueueFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from deployments.monitoring.figures import Queue
from deployments.remote.pools import POOLS

MAX_QUEUES = 20
"""Of each pool; those with the highest priority come first."""


@dataclass(frozen=True)
class Pools:
    """What the pools of nasflow have."""

    queues: list[Queue]
    workers_online: dict[str, int]
    queues_left_out: int


def look_at_pools(client: SyncPrefectClient, now: datetime) -> Pools:
    """Look at the pools of nasflow; one that does not exist has no queue and no worker.

    Args:
        client: Prefect's client.
        now: The time of the server.

    Returns:
        What they have.
    """
    pools = Pools([], dict.fromkeys(POOLS, 0), 0)
    left_out = 0
    for pool in POOLS:
        try:
            workers = client.read_workers_for_work_pool(pool)
            names = [queue.name for queue in client.read_work_queues(work_pool_name=pool)]
        except ObjectNotFound:
            continue
        pools.workers_online[pool] = sum(worker.status == "ONLINE" for worker in workers)
        pools.queues.extend(_look_at_queue(client, pool, name, now) for name in names[:MAX_QUEUES])
        left_out += max(len(names) - MAX_QUEUES, 0)
    return Pools(pools.queues, pools.workers_online, left_out)


def _look_at_queue(client: SyncPrefectClient, pool: str, name: str, now: datetime) -> Queue:
    pool_filter = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    queue_filter = WorkQueueFilter(name=WorkQueueFilterName(any_=[name]))
    due = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
        next_scheduled_start_time=FlowRunFilterNextScheduledStartTime.model_validate({"before_": now}),
    )
    oldest = client.read_flow_runs(
        work_pool_filter=pool_filter, work_queue_filter=queue_filter, flow_run_filter=due,
        sort=FlowRunSort.NEXT_SCHEDULED_START_TIME_ASC, limit=1,
    )  # fmt: skip
    if not oldest or oldest[0].next_scheduled_start_time is None:
        return Queue(pool, name, 0, 0.0)
    question = {
        "work_pools": pool_filter.model_dump(mode="json"),
        "work_queues": queue_filter.model_dump(mode="json"),
        "flow_runs": due.model_dump(mode="json"),
    }
    answer = client.request("POST", "/flow_runs/count", json=question)
    answer.raise_for_status()
    seconds = (now - oldest[0].next_scheduled_start_time).total_seconds()
    return Queue(pool, name, int(answer.json()), max(seconds, 0.0))
