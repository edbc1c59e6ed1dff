"""Finding one of nasflow's flow runs by what people have: its id, the beginning of the id, or its name."""

import re
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId, FlowRunFilterName
from prefect.client.schemas.objects import FlowRun

from deployments.remote.run_queries import all_runs
from deployments.remote.server import server_url
from tasks.errors import BadRequest

PAGES = 10
"""Pages of runs among which the beginning of an id is looked for."""


def find_run(client: SyncPrefectClient, which: str) -> FlowRun:
    """Find a flow run.

    Args:
        client: Prefect's client.
        which: Id, beginning of an id that no other run has, or name.

    Returns:
        The run.

    Raises:
        BadRequest: there is no such run, or there are several.
    """
    found = _candidates(client, which.strip())
    if not found:
        raise BadRequest(f"{which!r}: no such flow run of nasflow on {server_url()}; `nasflow runs list` shows them")
    if len(found) > 1:
        names = ", ".join(f"{run.id} ({run.name}, {run.state_name})" for run in found[:5])
        more = f" and {len(found) - 5} more" if len(found) > 5 else ""
        raise BadRequest(f"{which!r} means {len(found)} flow runs: {names}{more}; give one of these ids")
    return found[0]


def _candidates(client: SyncPrefectClient, which: str) -> list[FlowRun]:
    if not which:
        return []
    chosen = FlowRunFilter(name=FlowRunFilterName(any_=[which]))
    if (whole := _whole_id(which)) is not None:
        chosen = FlowRunFilter(id=FlowRunFilterId(any_=[whole]))
    if found := all_runs(client, chosen, 1):
        return found
    if whole is not None or not re.fullmatch(r"[0-9a-f-]+", which.lower()):
        return []
    # The server cannot look for the beginning of an id.
    recent = all_runs(client, FlowRunFilter(), PAGES)
    return [run for run in recent if str(run.id).startswith(which.lower())]


def _whole_id(which: str) -> UUID | None:
    try:
        return UUID(which)
    except ValueError:
        return None
