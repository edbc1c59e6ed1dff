"""The events by which processes of flow runs show that they are alive."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient

HEARTBEAT = "prefect.flow-run.heartbeat"
RESOURCE = "prefect.flow-run."


def last_heartbeats(client: SyncPrefectClient, runs: Sequence[UUID], since: datetime) -> dict[UUID, datetime]:
    """When each run gave its last sign of life.

    Args:
        client: Prefect's client.
        runs: Ids of flow runs.
        since: Heartbeats before this are left out.

    Returns:
        The time by id; runs without a heartbeat are left out.
    """
    times: dict[UUID, datetime] = {}
    for run in runs:  # one by one, since the events of one run could fill the answer
        chosen = {
            "occurred": {"since": since.isoformat()},
            "event": {"name": [HEARTBEAT]},
            "resource": {"id": [f"{RESOURCE}{run}"]},
            "order": "DESC",
        }
        answer = client.request("POST", "/events/filter", json={"filter": chosen, "limit": 1})
        answer.raise_for_status()
        for event in answer.json()["events"]:
            times[run] = datetime.fromisoformat(event["occurred"])
    return times
