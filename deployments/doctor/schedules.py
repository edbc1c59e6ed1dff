"""Check of the schedules."""

from collections.abc import Iterator

from prefect.client.orchestration import SyncPrefectClient
from prefect.exceptions import ObjectNotFound

from deployments.doctor.check import Check, check_of_faults

SCHEDULED = ("retrain/retrain", "study/study", "study-settings/study-settings")
"""Deployments that a schedule can run."""


def schedules(client: SyncPrefectClient) -> Check:
    """Whether each schedule that is switched on has a request; without one, all its runs would fail."""
    faults = [fault for name in SCHEDULED for fault in _faults_of(client, name)]
    remedy = "give the schedule a request as parameters in Prefect's UI, or switch it off"
    return check_of_faults("schedules", "all that are switched on have a request", faults, remedy, status="error")


def _faults_of(client: SyncPrefectClient, name: str) -> Iterator[str]:
    try:
        deployment = client.read_deployment_by_name(name)
    except ObjectNotFound:
        return
    for schedule in deployment.schedules:
        if schedule.active and "request" not in {**deployment.parameters, **schedule.parameters}:
            yield f"schedule {schedule.slug or schedule.id} of {name} is switched on without a request"
