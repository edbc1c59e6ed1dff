"""The automations that look after flow runs, and registering them. Registering again changes nothing.

They see the events of our deployments alone. What they start is the supervise deployment, which looks before it acts.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events import ActionTypes, AutomationCore, EventTrigger

NAMES = ("nasflow: crashed runs", "nasflow: silent runs", "nasflow: cancelled runs", "nasflow: runs that do not end")
"""The automations, by what they look after."""
PARENTS = ("retrain/retrain", "study/study", "study-settings/study-settings", "compare/compare")
"""The deployments whose runs ask for child flow runs."""
WATCHED = (*PARENTS, "train/train", "evaluate/evaluate", "replay/replay")
"""The deployments whose runs are looked after."""
SUPERVISE = "supervise/supervise"

SILENT_SECONDS = 60
"""After two heartbeats that did not come, a run is looked at."""
CANCEL_SECONDS = 40
"""Time that a cancelled run has to end; it needs up to 30 s for a checkpoint."""

DESCRIPTION = "Registered by `nasflow deploy`; switch it off here, and it stays off."

ENDED = {"prefect.flow-run.Cancelled", "prefect.flow-run.Completed", "prefect.flow-run.Failed"}


def automations(watched: dict[str, UUID], supervise: UUID) -> "list[AutomationCore]":
    """Describe the automations.

    Args:
        watched: Id of each deployment whose runs are looked after, as flow/deployment.
        supervise: Id of the supervise deployment.

    Returns:
        The automations, one for each of NAMES.
    """
    from prefect.events import AutomationCore

    every, parents = list(watched.values()), [watched[name] for name in PARENTS]
    triggers = (
        _trigger(every, expect={"prefect.flow-run.Crashed"}),
        _trigger(every, after={"prefect.flow-run.heartbeat"}, expect={"prefect.flow-run.*"}, within=SILENT_SECONDS),
        _trigger(parents, expect={"prefect.flow-run.Cancelling"}),
        _trigger(every, after={"prefect.flow-run.Cancelling"}, expect=ENDED, within=CANCEL_SECONDS),
    )
    look = _run_supervise(supervise)
    actions = (look, look, look, _end_run())
    return [
        AutomationCore(name=name, description=DESCRIPTION, trigger=trigger, actions=[action])
        for name, trigger, action in zip(NAMES, triggers, actions, strict=True)
    ]


def _trigger(
    deployments: list[UUID], *, expect: set[str], after: frozenset[str] | set[str] = frozenset(), within: int = 0
) -> "EventTrigger":
    """A trigger for an event of a run of these deployments, or, ``within`` seconds after another event, its absence."""
    from prefect.events import EventTrigger, Posture

    return EventTrigger(
        match={"prefect.resource.id": "prefect.flow-run.*"},
        match_related={
            "prefect.resource.role": "deployment",
            "prefect.resource.id": [f"prefect.deployment.{deployment}" for deployment in deployments],
        },
        # Each run is counted apart, and its id is among the labels that the action gets.
        for_each={"prefect.resource.id"},
        expect=expect,
        after=set(after),
        posture=Posture.Proactive if within else Posture.Reactive,
        threshold=1,
        within=timedelta(seconds=within),
    )


def _run_supervise(deployment: UUID) -> "ActionTypes":
    from prefect.events import RunDeployment

    job = {"flow_run": "{{ firing.triggering_labels['prefect.resource.id'] }}"}
    return RunDeployment(source="selected", deployment_id=deployment, parameters={"job": job}, job_variables=None)


def _end_run() -> "ActionTypes":
    from prefect.client.schemas.objects import StateType
    from prefect.events import ChangeFlowRunState

    message = "its process did not answer, so the server ended the run"
    return ChangeFlowRunState(state=StateType.CANCELLED, name="Cancelled", message=message, force=False)


def register_automations(client: "SyncPrefectClient") -> list[str]:
    """Create the automations, or bring those of the same names to this form; one that a person disabled stays so.

    Args:
        client: Prefect's client; the server has the deployments.

    Returns:
        Names of those that were created or changed.
    """
    watched = {name: client.read_deployment_by_name(name).id for name in WATCHED}
    supervise = client.read_deployment_by_name(SUPERVISE).id
    changed = []
    for wanted in automations(watched, supervise):
        existing = client.read_automations_by_name(wanted.name)
        for double in existing[1:]:  # two machines registered at the same time
            client.delete_automation(double.id)
        if not existing:
            client.create_automation(wanted)
            changed.append(wanted.name)
            continue
        wanted.enabled = existing[0].enabled
        if _content(existing[0]) != _content(wanted):
            client.update_automation(existing[0].id, wanted)
            changed.append(wanted.name)
    return changed


def _content(automation: "AutomationCore") -> dict[str, Any]:
    return automation.model_dump(mode="json", include={"description", "enabled", "trigger", "actions"}, exclude={"id"})
