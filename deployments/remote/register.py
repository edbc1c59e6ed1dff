"""Registering work pools and deployments on a Prefect server. Registering again changes nothing."""

import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from deployments.remote.automations import register_automations
from deployments.remote.server import no_answer, server_url
from tasks.errors import ServerProblem

if TYPE_CHECKING:
    from prefect.client.orchestration.routes import ServerRoutes

POOLS = {
    "default": "Light flow runs: labels, the gate, publishing.",
    "gpu": "Training and evaluation; start one worker a GPU, with --limit 1.",
}

DEPLOYMENTS = ("retrain/retrain", "study/study", "train/train", "evaluate/evaluate", "supervise/supervise")
"""What prefect.yaml describes, as flow/deployment."""

Schedules = dict[tuple[str, str], dict[str, Any]]
"""State of each schedule by deployment and slug: whether it is active, when it runs, and its request."""


def register() -> list[str]:
    """Create the work pools, and create or update the deployments of prefect.yaml.

    Pools and schedules that exist keep what people have set.

    Returns:
        Names of the deployments, as flow/deployment.

    Raises:
        BadSettings: no server is set.
        ServerProblem: the server does not answer, or refuses.
    """
    for name, description in POOLS.items():
        _create_pool(name, description)
    schedules = _read_schedules()
    with resources.as_file(resources.files("deployments").joinpath("prefect.yaml")) as file:
        _deploy(file)
    _restore_schedules(schedules)
    _refuse_unknown_parameters()
    _register_automations()
    return list(DEPLOYMENTS)


def _create_pool(name: str, description: str) -> None:
    from httpx import HTTPError
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    server_url()
    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=name, type="process", description=description, base_job_template=template)
    try:
        with get_client(sync_client=True) as client:
            client.create_work_pool(pool)
    except ObjectAlreadyExists:
        return
    except (HTTPError, RuntimeError) as error:
        raise no_answer(error) from None


def _read_schedules() -> Schedules:
    return {
        (name, schedule["slug"]): {field: schedule[field] for field in ("active", "schedule", "parameters")}
        for name in DEPLOYMENTS
        for schedule in _read_deployment(name).get("schedules", [])
    }


def _restore_schedules(schedules: Schedules) -> None:
    """Write the state of schedules back, since deploying replaces it by that of prefect.yaml."""
    for name in DEPLOYMENTS:
        deployment = _read_deployment(name)
        for schedule in deployment.get("schedules", []):
            if (state := schedules.get((name, schedule["slug"]))) is not None:
                ids = {"id": deployment["id"], "schedule_id": schedule["id"]}
                _ask_server("PATCH", "/deployments/{id}/schedules/{schedule_id}", ids, state)


def _refuse_unknown_parameters() -> None:
    """Have the server refuse parameters that a flow does not have, which would crash a run before it starts."""
    for name in DEPLOYMENTS:
        deployment = _read_deployment(name)
        schema = {**deployment["parameter_openapi_schema"], "additionalProperties": False}
        _ask_server("PATCH", "/deployments/{id}", {"id": deployment["id"]}, {"parameter_openapi_schema": schema})


def _register_automations() -> None:
    """Have the server look after the runs of all deployments but the one that looks after them."""
    ids = {name: UUID(_read_deployment(name)["id"]) for name in DEPLOYMENTS}
    supervise = ids.pop("supervise/supervise")
    register_automations(ids, supervise)


def _read_deployment(name: str) -> dict[str, Any]:
    """A deployment as JSON from the server; empty if there is none of this name."""
    flow, _, deployment = name.partition("/")
    route: ServerRoutes = "/deployments/name/{flow_name}/{deployment_name}"
    return _ask_server("GET", route, {"flow_name": flow, "deployment_name": deployment}) or {}


def _ask_server(
    method: Literal["GET", "PATCH"],
    route: "ServerRoutes",
    path_params: dict[str, str],
    body: dict[str, Any] | None = None,
) -> Any:
    """The server's answer as JSON; None if there is no such thing, or the answer is empty."""
    from httpx import HTTPError, HTTPStatusError
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    try:
        with get_client(sync_client=True) as client:
            answer = client.request(method, route, path_params=path_params, json=body)
            answer.raise_for_status()
            return answer.json() if answer.content else None
    except ObjectNotFound:
        return None
    except HTTPStatusError as error:
        if error.response.status_code == 404:
            return None
        path = route.format(**path_params)
        raise ServerProblem(f"{server_url()}: {method} {path}: {error.response.text[:200]}") from None
    except (HTTPError, RuntimeError) as error:
        raise no_answer(error) from None


def _deploy(file: Path) -> None:
    prefect = str(Path(sys.executable).with_name("prefect"))
    command = [sys.executable, prefect, "--no-prompt", "deploy", "--prefect-file", str(file), "--all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ServerProblem(f"prefect deploy: {lines[-1] if lines else 'failed'}; correct that, and deploy again")
