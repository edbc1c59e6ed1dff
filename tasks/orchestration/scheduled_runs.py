"""Whether a run that a schedule made gives way to another run of its project, as the Prefect server knows them."""

import time
from datetime import UTC, datetime
from itertools import count
from typing import Literal
from uuid import UUID

from httpx import HTTPError
from prefect import get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterId,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events.filters import EventFilter, EventNameFilter, EventOccurredFilter, EventResourceFilter
from prefect.runtime import deployment, flow_run
from prefect.settings import get_current_settings

from tasks.errors import BadRequest, ServerUnavailable
from tasks.orchestration.asking_runs import has_asked
from tasks.orchestration.overlapping_runs import SILENT, RetrainRun, give_way
from tasks.orchestration.retries import step
from tasks.records import RetrainRequest

PAGE = 200
LOOK_AGAIN_SECONDS = 5.0
STATES: dict[StateType, Literal["scheduled", "pending", "running"]] = {
    StateType.SCHEDULED: "scheduled",
    StateType.PENDING: "pending",
    StateType.RUNNING: "running",
}


def require_request(request: RetrainRequest | None) -> RetrainRequest:
    """Refuse a run without a request, such as those of a schedule that somebody switched on in Prefect's UI.

    Returns:
        The request.

    Raises:
        BadRequest: there is none.
    """
    if request is None:
        page = f"{get_current_settings().ui_url}/deployments/deployment/{deployment.id}"
        raise BadRequest(
            f"this run has no request; if a schedule made it, see {page}: give that a request with "
            "`nasflow schedule set PROJECT`, or remove it"
        )
    return request


@step("look for another run")
def find_run_that_takes_over() -> str | None:
    """See whether this run, made by a schedule, gives way to another run of its project.

    Returns:
        To which run and why, in a sentence; None if this run has to go on, as each does that a person asked for.

    Raises:
        ServerUnavailable: the Prefect server does not answer.
    """
    try:
        with get_client(sync_client=True) as client:
            return _wait_for_answer(client, UUID(str(flow_run.id)))
    except HTTPError as error:
        raise ServerUnavailable(f"the Prefect server does not tell which runs there are: {error}") from None


def _wait_for_answer(client: SyncPrefectClient, run_id: UUID) -> str | None:
    while True:
        this = client.read_flow_run(run_id)
        if not this.auto_scheduled:
            return None
        now = datetime.now(UTC)
        me = _run(client, this, now)
        if me is None:
            return None
        others = [run for other in _not_ended(client, me, this.flow_id, now) if (run := _run(client, other, now))]
        answer = give_way(me, others, now)
        if answer is None or answer.final:
            return answer.reason if answer else None
        get_run_logger().info("%s; waiting until it has looked for other runs", answer.reason)
        time.sleep(LOOK_AGAIN_SECONDS)


def _not_ended(client: SyncPrefectClient, me: RetrainRun, flow_id: UUID, now: datetime) -> list[FlowRun]:
    """Runs of the flow that are due and have not ended. The server's clock counts, should this one be behind."""
    due = FlowRunFilter(
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(STATES))),
        expected_start_time=FlowRunFilterExpectedStartTime.model_validate({"before_": max(now, me.since)}),
    )
    runs: list[FlowRun] = []
    for page in count():
        found = client.read_flow_runs(
            flow_filter=FlowFilter(id=FlowFilterId(any_=[flow_id])), flow_run_filter=due, sort=FlowRunSort.ID_DESC,
            limit=PAGE, offset=page * PAGE,
        )  # fmt: skip
        runs += found
        if len(found) < PAGE:
            return runs
    raise AssertionError("unreachable")


def _run(client: SyncPrefectClient, run: FlowRun, now: datetime) -> RetrainRun | None:
    """A run as the decision takes it; None for one whose request names no project, or that has asked a person.

    What is left to do of such a run takes moments, and is about a model that it published before.
    """
    request = run.parameters.get("request")
    if has_asked(run):
        return None
    if not isinstance(request, dict) or run.state is None or run.state.timestamp is None or run.created is None:
        return None
    since = run.state.timestamp
    return RetrainRun(
        id=UUID(str(run.id)),
        name=run.name,
        project=str(request.get("project")),
        by_schedule=run.auto_scheduled,
        expected=run.expected_start_time or run.created,
        created=run.created,
        state=STATES[run.state.type],
        since=since,
        last_sign=since if now - since < SILENT else _last_heartbeat(client, run, now) or since,
    )


def _last_heartbeat(client: SyncPrefectClient, run: FlowRun, now: datetime) -> datetime | None:
    """The last sign of life that Prefect recorded of a run; None if there was none lately."""
    page = client.read_events(
        EventFilter(
            occurred=EventOccurredFilter.model_validate({"since": now - SILENT, "until": now + SILENT}),
            event=EventNameFilter(name=["prefect.flow-run.heartbeat"]),
            resource=EventResourceFilter(id=[f"prefect.flow-run.{run.id}"]),
        ),
        limit=1,
    )
    return page.events[0].occurred if page.events else None
