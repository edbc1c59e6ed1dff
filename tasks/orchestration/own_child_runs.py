"""What this flow run has had run for it, in all of its attempts, and how long each step took."""

from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from tasks.errors import ServerUnavailable
from tasks.orchestration.step_times import child_flow_runs, step_seconds


def flows_of_child_runs() -> set[str]:
    """Names of the flows that child flow runs of this flow run are of.

    Raises:
        ServerUnavailable: the Prefect server does not answer.
    """
    try:
        with get_client(sync_client=True) as client:
            flow_ids = {child.flow_id for child in child_flow_runs(client, UUID(flow_run.id))}
            return {client.read_flow(flow_id).name for flow_id in flow_ids}
    except HTTPError as error:
        raise ServerUnavailable(f"the Prefect server does not tell which runs there are: {error}") from None


def seconds_so_far() -> dict[str, float]:
    """Seconds of the steps of this flow run that are done; none if the server does not answer."""
    try:
        with get_client(sync_client=True) as client:
            return step_seconds(client, UUID(flow_run.id))
    except HTTPError:
        return {}
