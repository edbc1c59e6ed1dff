"""Schedules of the retrain deployment: one a project is set, listed, paused and removed here."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from httpx import HTTPError, HTTPStatusError
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import DeploymentSchedule, FlowRun
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import SCHEDULE_TYPES
from prefect.exceptions import ObjectNotFound
from prefect.settings import get_current_settings
from prefect.utilities.schema_tools import ValidationError, validate

from deployments.remote.schedule_runs import drop_waiting_runs, last_run, make_runs, waiting_runs
from deployments.remote.schedule_times import in_words, next_times, zone_of
from deployments.remote.server import no_answer, server_url
from tasks.errors import BadRequest, ServerProblem
from tasks.records import RetrainRequest

DEPLOYMENT = "retrain/retrain"
PREFIX = "nasflow-"
"""Slugs of the schedules that are set here are this and the project."""
NO_REQUEST = "no request: give it one with `nasflow schedule set`, or remove it"

Document = dict[str, Any]


def set_schedule(request: RetrainRequest, schedule: SCHEDULE_TYPES) -> Document:
    """Give a project a schedule, or replace the one it has.

    Args:
        request: What each run is asked to do.
        schedule: When runs start.

    Returns:
        The schedule, its next times, and what changed.

    Raises:
        BadRequest: the server would refuse the request.
        BadSettings: no server is set.
        ServerProblem: the server does not answer, or has no retrain deployment.
    """
    slug = f"{PREFIX}{request.project}"
    parameters = {"request": request.model_dump(mode="json", exclude_none=True)}
    with _retrain_deployment() as (client, deployment):
        _check_parameters(parameters, deployment)
        now = datetime.now(UTC)
        before = next((old for old in deployment.schedules if old.slug == slug), None)
        if before is None:
            client.create_deployment_schedules(deployment.id, [(schedule, True)], parameters=parameters, slug=slug)
            changes = []
        else:
            schedule = _with_same_anchor(schedule, before.schedule)
            _update(client, before, schedule=schedule, parameters=parameters, active=True)
            changes = _changes(before, schedule, parameters)
        dropped = drop_waiting_runs(client, before) if before else 0
        make_runs(client, deployment.id, since=now)
    return {
        "ok": True,
        "project": request.project,
        "slug": slug,
        "when": in_words(schedule),
        "timezone": zone_of(schedule),
        "next": [time.isoformat() for time in next_times(schedule)],
        "replaced": before is not None,
        "changes": changes,
        "dropped_runs": dropped,
        "url": _url(deployment),
    }


def list_schedules() -> list[Document]:
    """List the schedules of the retrain deployment, also those that were made in Prefect's UI.

    Raises:
        BadSettings: no server is set.
        ServerProblem: the server does not answer, or has no retrain deployment.
    """
    with _retrain_deployment() as (client, deployment):
        schedules = sorted(deployment.schedules, key=lambda schedule: (_project(schedule) or "", schedule.slug or ""))
        return [_describe(schedule, last_run(client, schedule)) for schedule in schedules]


def pause_schedule(name: str, *, active: bool) -> Document:
    """Pause the schedules of a project, or let them go on.

    Args:
        name: Project, or slug of a schedule.
        active: False to pause.

    Returns:
        The slugs.

    Raises:
        BadRequest: there is no such schedule, or it has no request.
        BadSettings: no server is set.
        ServerProblem: the server does not answer, or has no retrain deployment.
    """
    with _retrain_deployment() as (client, deployment):
        schedules = _find(deployment, name)
        for schedule in schedules:
            if active and _request(schedule) is None:
                raise BadRequest(f"schedule {schedule.slug or schedule.id}: {NO_REQUEST}")
        now = datetime.now(UTC)
        for schedule in schedules:
            _update(client, schedule, active=active)
            if not active:
                drop_waiting_runs(client, schedule)
        make_runs(client, deployment.id, since=now)
    return {"ok": True, "schedules": [schedule.slug for schedule in schedules], "active": active}


def remove_schedule(name: str) -> Document:
    """Remove the schedules of a project.

    Args:
        name: Project, or slug of a schedule.

    Returns:
        The slugs.

    Raises:
        BadRequest: there is no such schedule.
        BadSettings: no server is set.
        ServerProblem: the server does not answer, or has no retrain deployment.
    """
    with _retrain_deployment() as (client, deployment):
        schedules = _find(deployment, name)
        now = datetime.now(UTC)
        removed = {schedule.id for schedule in schedules}
        # The server removes the late runs of all schedules with one.
        kept = [schedule for schedule in deployment.schedules if schedule.id not in removed and schedule.active]
        late = {run.expected_start_time for schedule in kept for run in waiting_runs(client, schedule)}
        for schedule in schedules:
            client.delete_deployment_schedule(deployment.id, schedule.id)
        for time in sorted(time for time in late if time is not None and time < now):
            make_runs(client, deployment.id, since=time, until=time)
        make_runs(client, deployment.id, since=now)
    return {"ok": True, "schedules": [schedule.slug for schedule in schedules]}


@contextmanager
def _retrain_deployment() -> Iterator[tuple[SyncPrefectClient, DeploymentResponse]]:
    """A client, and the retrain deployment; what goes wrong in the block becomes an error of ours."""
    url = server_url()
    try:
        with get_client(sync_client=True) as client:
            yield client, client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound:
        raise ServerProblem(
            f"{url}: no deployment {DEPLOYMENT}, or it changed meanwhile; run `nasflow deploy`, and try again"
        ) from None
    except HTTPStatusError as error:
        raise ServerProblem(f"{url}: {error.response.text[:300]}") from None
    except (HTTPError, RuntimeError) as error:
        raise no_answer(error) from None


def _check_parameters(parameters: Document, deployment: DeploymentResponse) -> None:
    """Refuse what the server would refuse for a run; it takes any parameters for a schedule."""
    try:
        validate(parameters, deployment.parameter_openapi_schema or {}, raise_on_error=True)
    except ValidationError as error:
        raise BadRequest(f"{server_url()}: {error}; run `nasflow deploy` with this version of nasflow") from None


def _find(deployment: DeploymentResponse, name: str) -> list[DeploymentSchedule]:
    """The schedules of a project, or the one with this slug."""
    found = [schedule for schedule in deployment.schedules if name in (_project(schedule), schedule.slug)]
    if not found:
        names = sorted({_project(schedule) or schedule.slug or str(schedule.id) for schedule in deployment.schedules})
        there = f"there are: {', '.join(names)}" if names else "there is none; make one with `nasflow schedule set`"
        raise BadRequest(f"schedule {name}: no such schedule; {there}")
    return found


def _request(schedule: DeploymentSchedule) -> Document | None:
    request = schedule.parameters.get("request")
    return request if isinstance(request, dict) and "project" in request else None


def _project(schedule: DeploymentSchedule) -> str | None:
    """The project of a schedule, by its request, or by its slug if it was made here and has lost that."""
    if (request := _request(schedule)) is not None:
        return str(request["project"])
    slug = schedule.slug or ""
    return slug.removeprefix(PREFIX) if slug.startswith(PREFIX) else None


def _update(
    client: SyncPrefectClient,
    before: DeploymentSchedule,
    *,
    active: bool,
    schedule: SCHEDULE_TYPES | None = None,
    parameters: Document | None = None,
) -> None:
    """Change a schedule. All fields are sent: Prefect 3.9.1 empties the parameters of an update without them."""
    client.update_deployment_schedule(
        UUID(str(before.deployment_id)),
        before.id,
        active=active,
        schedule=schedule or before.schedule,
        parameters=before.parameters if parameters is None else parameters,
    )


def _describe(schedule: DeploymentSchedule, last: FlowRun | None) -> Document:
    times = next_times(schedule.schedule, count=1) if schedule.active else []
    state, at = (last.state, last.expected_start_time) if last else (None, None)
    zone = ZoneInfo(zone_of(schedule.schedule))
    return {
        "project": _project(schedule),
        "slug": schedule.slug,
        "when": in_words(schedule.schedule),
        "timezone": zone_of(schedule.schedule),
        "next": times[0].isoformat() if times else None,
        "active": schedule.active,
        "last_run": last.name if last else None,
        "last_run_at": datetime.fromtimestamp(at.timestamp(), zone).isoformat() if at else None,
        "last_state": state.name if state else None,
        "last_message": state.message if state else None,
        "request": _request(schedule),
        "problem": NO_REQUEST if _request(schedule) is None else None,
    }


def _with_same_anchor(schedule: SCHEDULE_TYPES, before: SCHEDULE_TYPES) -> SCHEDULE_TYPES:
    """The schedule from before if only the midnight that its interval is counted from is another."""
    same = (in_words(schedule), zone_of(schedule)) == (in_words(before), zone_of(before))
    return before if same else schedule


def _changes(before: DeploymentSchedule, schedule: SCHEDULE_TYPES, parameters: Document) -> list[str]:
    """What is other than before, a line each."""
    old, new = _request(before) or {}, parameters["request"]
    pairs = [
        ("when", in_words(before.schedule), in_words(schedule)),
        ("timezone", zone_of(before.schedule), zone_of(schedule)),
        ("active", before.active, True),
        *((name, old.get(name), new.get(name)) for name in {**old, **new}),
    ]
    return [f"{name}: {was} before, {is_} now" for name, was, is_ in pairs if was != is_]


def _url(deployment: DeploymentResponse) -> str | None:
    ui = get_current_settings().ui_url
    return f"{ui}/deployments/deployment/{deployment.id}" if ui else None
