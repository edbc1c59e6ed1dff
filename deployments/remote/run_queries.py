"""What Prefect's API knows about nasflow's flow runs: which there are, their steps, child flow runs and progress."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterType,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterId,
    FlowRunFilterParentFlowRunId,
    FlowRunFilterParentTaskRunId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
    TaskRunFilter,
    TaskRunFilterId,
)
from prefect.client.schemas.objects import Artifact, FlowRun, StateType, TaskRun
from prefect.client.schemas.sorting import ArtifactSort, FlowRunSort

from deployments.remote.automations import WATCHED
from tasks.orchestration.step_times import is_step, start_time

T = TypeVar("T")

PAGE = 200
"""Objects that the server returns for one request at most."""
TAG = "nasflow"
"""Tag of all deployments of prefect.yaml, which their flow runs get."""
FLOWS = [name.partition("/")[0] for name in WATCHED]
FULL = 100
"""Percent of a progress bar at its end."""
AHEAD = timedelta(minutes=5)
"""Runs of a schedule that are due later than this are left out: Prefect makes up to 100 of them."""


def top_runs(client: SyncPrefectClient, states: Collection[StateType], page: int) -> list[FlowRun]:
    """A page of nasflow's flow runs that no other run asked for, newest first.

    Args:
        client: Prefect's client.
        states: Types of the states to include; empty for all.
        page: Number of the page, from 0 on.

    Returns:
        The runs; fewer than ``PAGE`` on the last page.
    """
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states))) if states else None
    return client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=FLOWS)),
        flow_run_filter=FlowRunFilter(
            tags=FlowRunFilterTags(all_=[TAG]),
            parent_task_run_id=FlowRunFilterParentTaskRunId(is_null_=True),
            expected_start_time=FlowRunFilterExpectedStartTime.model_validate({"before_": datetime.now(UTC) + AHEAD}),
            state=state,
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
        limit=PAGE,
        offset=page * PAGE,
    )


def all_runs(client: SyncPrefectClient, chosen: FlowRunFilter, pages: int) -> list[FlowRun]:
    """Nasflow's flow runs of a filter, newest first.

    Args:
        client: Prefect's client.
        chosen: What to look for; its tags are replaced.
        pages: How many pages are read at most.

    Returns:
        The runs, child flow runs among them.
    """
    tagged = chosen.model_copy(update={"tags": FlowRunFilterTags(all_=[TAG])})
    flows = FlowFilter(name=FlowFilterName(any_=FLOWS))

    def read(offset: int) -> list[FlowRun]:
        return client.read_flow_runs(
            flow_filter=flows, flow_run_filter=tagged, sort=FlowRunSort.EXPECTED_START_TIME_DESC,
            limit=PAGE, offset=offset,
        )  # fmt: skip

    return _read_pages(read, pages)


def child_flow_runs(client: SyncPrefectClient, runs: Iterable[FlowRun]) -> dict[UUID, list[FlowRun]]:
    """Child flow runs by the id of the run that asked for them, oldest first."""
    ids = [run.id for run in runs]
    if not ids:
        return {}
    chosen = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=ids))

    def read(offset: int) -> list[FlowRun]:
        return client.read_flow_runs(
            flow_run_filter=chosen, sort=FlowRunSort.EXPECTED_START_TIME_ASC, limit=PAGE, offset=offset
        )

    found = _read_pages(read)
    parents: dict[UUID | None, UUID | None] = {task.id: task.flow_run_id for task in _parent_tasks(client, found)}
    children: dict[UUID, list[FlowRun]] = {}
    for child in found:
        if (parent := parents.get(child.parent_task_run_id)) is not None:
            children.setdefault(parent, []).append(child)
    return children


def _parent_tasks(client: SyncPrefectClient, child_runs: Iterable[FlowRun]) -> list[TaskRun]:
    """The task runs that Prefect made for child flow runs; these know the run that asked for them."""
    ids = [run.parent_task_run_id for run in child_runs if run.parent_task_run_id]
    chosen = TaskRunFilter(id=TaskRunFilterId(any_=ids))
    return _read_pages(lambda offset: client.read_task_runs(task_run_filter=chosen, limit=PAGE, offset=offset))


def parent_of(client: SyncPrefectClient, run: FlowRun) -> UUID | None:
    """Id of the flow run that asked for this one; None if no run did."""
    tasks = _parent_tasks(client, [run]) if run.parent_task_run_id else []
    return tasks[0].flow_run_id if tasks else None


def task_runs(client: SyncPrefectClient, run: FlowRun) -> list[TaskRun]:
    """All task runs of a flow run."""
    chosen = FlowRunFilter(id=FlowRunFilterId(any_=[UUID(str(run.id))]))
    return _read_pages(lambda offset: client.read_task_runs(flow_run_filter=chosen, limit=PAGE, offset=offset))


def steps_of(client: SyncPrefectClient, run: FlowRun) -> list[TaskRun]:
    """The steps of a run that have begun, in that order."""
    return sorted(filter(is_step, task_runs(client, run)), key=start_time)


def progress_bars(client: SyncPrefectClient, runs: Iterable[FlowRun]) -> dict[UUID, Artifact]:
    """The progress bar that was moved last, of each of the runs that has one."""
    ids = [UUID(str(run.id)) for run in runs]
    if not ids:
        return {}
    artifacts = client.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=ids), type=ArtifactFilterType(any_=["progress"])
        ),
        sort=ArtifactSort.UPDATED_DESC,
        limit=PAGE,
    )
    bars: dict[UUID, Artifact] = {}
    for artifact in artifacts:
        if artifact.flow_run_id is not None and isinstance(artifact.data, int | float):
            bars.setdefault(artifact.flow_run_id, artifact)
    return bars


def newest_bar(bars: Mapping[UUID, Artifact], runs: Iterable[FlowRun]) -> Artifact | None:
    """The bar of these runs that was moved last; a full one belongs to a step that is done, and says nothing more.

    Args:
        bars: As ``progress_bars`` gives them.
        runs: The runs.

    Returns:
        The bar, or None if no step is known to be under way.
    """
    ids = {UUID(str(run.id)) for run in runs}
    return next((bar for run, bar in bars.items() if run in ids and percent_of(bar) < FULL), None)


def percent_of(bar: Artifact) -> float:
    """How far a progress bar is."""
    return float(bar.data)  # type: ignore[arg-type]


def is_running(run: FlowRun | TaskRun) -> bool:
    """Whether a run is in a state of the type Running."""
    return run.state is not None and run.state.is_running()


def is_final(run: FlowRun) -> bool:
    """Whether a run has ended."""
    return run.state is not None and run.state.is_final()


def _read_pages(read: Callable[[int], Sequence[T]], pages: int | None = None) -> list[T]:
    """What ``read`` returns for offsets, until the end or for some pages."""
    found: list[T] = []
    while pages is None or len(found) < pages * PAGE:
        part = read(len(found))
        found += part
        if len(part) < PAGE:
            break
    return found
