"""Events about models, which automations and other programs can wait for.

========================== ===============================================================
``nasflow.model.promoted`` a new model is the champion
``nasflow.model.kept``     the champion stays
``nasflow.model.cannot-tell`` the gate could not tell which is better
``nasflow.model.failed``   a retrain run failed; its payload says how many in a row
========================== ===============================================================

The resource of each is ``nasflow.project.PROJECT``. The payload has ``title`` and ``text`` for people.
"""

from collections.abc import Mapping
from typing import Any, Literal

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun, State
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events import emit_event

from tasks.orchestration.progress import report_to_server

Kind = Literal["promoted", "kept", "cannot-tell", "failed"]

LOOK_BACK = 100
"""Runs of all projects among which the last ones of a project are looked for."""


def announce(kind: Kind, project: str, title: str, text: str, facts: Mapping[str, Any]) -> None:
    """Emit an event about a project's model; a server that does not answer is no reason to fail.

    Args:
        kind: What happened.
        project: Project of the model.
        title: One line for people.
        text: A few lines for people, Markdown.
        facts: What programs may want, as JSON values.
    """
    resource = {"prefect.resource.id": f"nasflow.project.{project}", "prefect.resource.name": project}
    if "in_a_row" in facts:
        resource["nasflow.in-a-row"] = str(facts["in_a_row"])
    payload = {**facts, "project": project, "title": title, "text": text}
    report_to_server(lambda: emit_event(f"nasflow.model.{kind}", resource=resource, payload=payload))


def announce_failure(flow: Any, flow_run: FlowRun, state: State[Any]) -> None:
    """Prefect's ``on_failure`` hook of retrain: say that it failed, and how many runs of the project did so in a row.

    Args:
        flow: The flow; not used.
        flow_run: Its run.
        state: The failed state.
    """
    project = project_of(flow_run)
    in_a_row = report_to_server(lambda: _failures_in_a_row(project)) or 1
    reason = (state.message or state.name or "").removeprefix("Flow run encountered an exception: ")
    times = "" if in_a_row == 1 else f", {in_a_row} times in a row"
    announce(
        "failed", project, f"{project}: retrain failed{times}", reason, {"in_a_row": in_a_row, "run": str(flow_run.id)}
    )


def project_of(run: FlowRun) -> str:
    """The project that a retrain or study run was asked for; empty where its request names none."""
    request = run.parameters.get("request")
    return str(request.get("project", "")) if isinstance(request, dict) else str(getattr(request, "project", ""))


def count_failures(runs: list[FlowRun], project: str) -> int:
    """Count how many of a project's runs failed since the last one that did not.

    Args:
        runs: Runs of the flow, newest first; those that have not ended do not count.
        project: Name of the project.

    Returns:
        How many failed or crashed in a row.
    """
    count = 0
    for run in runs:
        if project_of(run) != project or run.state is None or not run.state.is_final():
            continue
        if not (run.state.is_failed() or run.state.is_crashed()):
            return count
        count += 1
    return count


def _failures_in_a_row(project: str) -> int:
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["retrain"])),
            sort=FlowRunSort.START_TIME_DESC,
            limit=LOOK_BACK,
        )
    return count_failures(runs, project)
