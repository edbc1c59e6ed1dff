"""Check of where the last retrain run lost time that it need not have lost."""

from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import FlowFilter, FlowFilterName, FlowRunFilter, FlowRunFilterState
from prefect.client.schemas.filters import FlowRunFilterStateName as StateName
from prefect.client.schemas.sorting import FlowRunSort

from deployments.doctor.check import Check, check
from tasks.orchestration.step_times import START, WAIT, step_seconds

MIN_SECONDS = 4.0
"""Less is not worth a thought; a worker that polls each second and a warm disk take less."""
REMEDIES = {
    WAIT: "a worker asks for runs every PREFECT_WORKER_QUERY_SECONDS, 10 s by default: set it to 1 where it is "
    "started; start another worker if all were busy",
    START: "Python's modules came from a slow or cold disk: install nasflow on a local disk of the worker, without "
    "PYTHONDONTWRITEBYTECODE",
    "fetch images": "the images were not on the worker yet: keep NASFLOW_WORK_DIR from run to run, and raise "
    "NASFLOW_CACHE_GB if it is smaller than the data set",
}
"""What can be done about a step, by its name without that of its flow."""


def slowest_step(client: SyncPrefectClient) -> Check:
    """Which avoidable step of the last completed retrain run took longest.

    Args:
        client: Prefect's client.

    Returns:
        The check; a warning if the step took ``MIN_SECONDS`` or more.
    """
    completed = FlowRunFilterState(name=StateName(any_=["Completed"]))
    runs = client.read_flow_runs(
        flow_filter=FlowFilter(name=FlowFilterName(any_=["retrain"])),
        flow_run_filter=FlowRunFilter(state=completed), sort=FlowRunSort.END_TIME_DESC, limit=1,
    )  # fmt: skip
    if not runs:
        return check("slowest step", "ok", "no retrain run has completed yet")
    seconds = step_seconds(client, UUID(str(runs[0].id)))
    avoidable = {name: took for name, took in seconds.items() if name.rpartition(": ")[2] in REMEDIES}
    slowest = max(avoidable, key=lambda name: avoidable[name], default=None)
    if slowest is None or avoidable[slowest] < MIN_SECONDS:
        return check("slowest step", "ok", f"run {runs[0].name} lost no time that it could have saved")
    message = f"run {runs[0].name}: {slowest} took {avoidable[slowest]:.1f} s"
    return check("slowest step", "warning", message, REMEDIES[slowest.rpartition(": ")[2]])
