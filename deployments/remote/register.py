"""Registering work pools and deployments on a Prefect server. What people have set there stays."""

import importlib
import json
from importlib import resources
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any

from httpx import HTTPStatusError

from deployments.remote.automations import register_automations
from deployments.remote.code_version import remember_version
from deployments.remote.deployment_settings import Settings, of_file, of_server, unflatten
from deployments.remote.merge import merge
from deployments.remote.pool_templates import PoolType
from deployments.remote.pools import create_pools
from deployments.remote.remembered import read_written, remember_written
from deployments.remote.server import asking_server, server_url
from tasks.errors import ServerProblem

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.responses import DeploymentResponse

PREFECT_FILE = resources.files("deployments") / "prefect.yaml"

Registered = dict[str, Any]
"""``deployment``, whether it was ``created``, and what was ``changed`` and ``kept``, in words."""

OF_POOL = (("work_pool_name",), ("work_queue_name",))
"""Settings that a deployment loses when people delete its pool."""
CODE_WORDS = {"parameter_openapi_schema": "parameters of the flow", "pull_steps": "pull steps"}


def preload() -> None:
    """Import what registering needs, for who has a second to spare before."""
    for module in ("prefect.client.orchestration", "prefect.workers.process", "prefect.flows"):
        importlib.import_module(module)


def register(file: Traversable = PREFECT_FILE, pool_type: PoolType | None = None) -> list[Registered]:
    """Create the work pools, and create or update the deployments of prefect.yaml.

    Args:
        file: What describes the deployments.
        pool_type: What workers of the pools are; None for those that there are, and processes in new ones.

    Returns:
        What was done to each deployment.

    Raises:
        BadRequest: a pool is of another type.
        BadSettings: no server is set.
        ServerProblem: the server does not answer, or refuses.
    """
    from prefect.client.orchestration import get_client

    server_url()
    with asking_server(), get_client(sync_client=True) as client:
        create_pools(client, pool_type)
        registered = [_register_deployment(client, entry) for entry in deployments_of(file)]
        register_automations(client)
        remember_version(client)
        return registered


def deployments_of(file: Traversable = PREFECT_FILE) -> list[dict[str, Any]]:
    """The deployments that prefect.yaml describes."""
    import yaml

    entries: list[dict[str, Any]] = yaml.safe_load(file.read_text())["deployments"]
    return entries


def describe_registered(registered: Registered) -> list[str]:
    """Lines for people about a deployment that was changed, or that keeps what people have set."""
    name, changed, kept = (registered[field] for field in ("deployment", "changed", "kept"))
    lines = [f"{name}: {', '.join(changed)}"] if changed else []
    return [*lines, f"{name}: kept what was set here: {', '.join(kept)}"] if kept else lines


def _register_deployment(client: "SyncPrefectClient", entry: dict[str, Any]) -> Registered:
    from prefect.exceptions import ObjectNotFound

    code, file = _code_of(entry), of_file(entry)
    name = f"{code.pop('flow_name')}/{entry['name']}"
    try:
        deployment = client.read_deployment_by_name(name)
    except ObjectNotFound:
        remember_written(client, name, [file])
        _create(client, name, file, code)
        return {"deployment": name, "created": True, "changed": [], "kept": []}
    written = read_written(client, name)
    if deployment.work_pool_name is None:
        # Its pool was deleted, with its queues, which is no wish for a deployment that nothing runs.
        written = [{key: value for key, value in one.items() if key not in OF_POOL} for one in written]
    merged = merge(_set_on_server(deployment), file, written)
    new_code = {field: value for field, value in code.items() if getattr(deployment, field) != value}
    if merged.changed or new_code:
        # Both are remembered meanwhile, so that neither is taken for a person's after a kill.
        remember_written(client, name, [*(settings for settings in written if settings != file), file])
        _update(client, deployment, merged.settings, new_code)
    if written != [file]:
        remember_written(client, name, [file])
    changed = [*merged.changed, *(f"{CODE_WORDS.get(field, field)} changed" for field in new_code)]
    return {"deployment": name, "created": False, "changed": changed, "kept": merged.kept}


def _set_on_server(deployment: "DeploymentResponse") -> Settings:
    """Its settings on the server, which goes on to name a queue of a pool that was deleted."""
    settings = of_server(deployment)
    if deployment.work_pool_name is None:
        return {key: value for key, value in settings.items() if key not in OF_POOL}
    return settings


def _code_of(entry: dict[str, Any]) -> dict[str, Any]:
    """What the code determines: never kept, since a run needs the present one.

    The server refuses parameters that the flow does not have, which would crash a run before it starts.
    """
    module, _, name = entry["entrypoint"].rpartition(".")
    flow = getattr(importlib.import_module(module), name)
    schema = {**json.loads(flow.parameters.model_dump_json(exclude_unset=True)), "additionalProperties": False}
    schema["required"] = list(schema["properties"])
    return {
        "flow_name": flow.name,
        "entrypoint": entry["entrypoint"],
        "pull_steps": [],
        "parameter_openapi_schema": schema,
    }


def _create(client: "SyncPrefectClient", name: str, file: Settings, code: dict[str, Any]) -> None:
    """Create a deployment whole. Of two that do so at once, the second writes the same again."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate

    flow, _, deployment = name.partition("/")
    fields = {**_to_send(unflatten(file)), **code}
    schedules = [DeploymentScheduleCreate(slug=slug, **values) for slug, values in fields.pop("schedules").items()]
    client.create_deployment(client.create_flow_from_name(flow), deployment, schedules=schedules, **fields)


def _update(
    client: "SyncPrefectClient", deployment: "DeploymentResponse", settings: Settings, code: dict[str, Any]
) -> None:
    """Write only what differs, in one request, so that a pause is not lifted, not even for a moment."""
    from prefect.client.schemas.actions import DeploymentUpdate

    before, after = unflatten(_set_on_server(deployment)), unflatten(settings)
    changes = {field: after[field] for field in after if after[field] != before[field] and field != "schedules"}
    if fields := {**_to_send(changes), **code}:
        try:
            client.update_deployment(deployment.id, DeploymentUpdate(**fields))
        except HTTPStatusError as error:
            if error.response.status_code != 409:
                raise
            raise ServerProblem(
                f"{deployment.name}: what is set on the server does not fit: {error.response.text[:200]}; "
                f"correct its parameters and job variables in Prefect's UI, and deploy again"
            ) from None
    _update_schedules(client, deployment, before["schedules"], after["schedules"])


def _update_schedules(
    client: "SyncPrefectClient", deployment: "DeploymentResponse", before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Add, change and delete single schedules. Deploying a list of them would replace those of people."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate

    ids = {schedule.slug: schedule.id for schedule in deployment.schedules}
    for slug in before.keys() - after.keys():
        client.delete_deployment_schedule(deployment.id, ids[slug])
    for slug, values in after.items():
        if slug not in before:
            schedule = DeploymentScheduleCreate(slug=slug, **values)
            _create_schedule(client, deployment, schedule)
        elif values != before[slug]:
            # Whole, since the server empties the parameters when they are not sent.
            path = {"id": str(deployment.id), "schedule_id": str(ids[slug])}
            client.request("PATCH", "/deployments/{id}/schedules/{schedule_id}", path_params=path, json=values)


def _create_schedule(client: "SyncPrefectClient", deployment: "DeploymentResponse", schedule: Any) -> None:
    try:
        client.create_deployment_schedules(deployment.id, [schedule])
    except HTTPStatusError:
        # Another machine that registers at the same time may have created it.
        if schedule.slug not in {present.slug for present in client.read_deployment_schedules(deployment.id)}:
            raise


def _to_send(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields as Prefect takes them: tags as a list, and no options of concurrency where there are none."""
    fields = dict(fields)
    if "tags" in fields:
        fields["tags"] = list(fields["tags"])
    if "concurrency_options" in fields:
        fields["concurrency_options"] = fields["concurrency_options"] or None
    return fields
