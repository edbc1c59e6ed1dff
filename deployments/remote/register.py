"""Registering work pools and deployments on a Prefect server, as often as one likes."""

import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from tasks.errors import BadSettings, ServerProblem

POOLS = {
    "default": "Light flow runs: labels, the gate, publishing.",
    "gpu": "Training and evaluation; start one worker a GPU, with --limit 1.",
}

DEPLOYMENTS = ("retrain/retrain", "study/study", "train/train", "evaluate/evaluate")
"""What prefect.yaml describes, as flow/deployment."""


def register() -> list[str]:
    """Make the pools and the deployments of prefect.yaml be there, and give the deployments' names.

    A pool that is there keeps what its owner has set.

    Raises:
        BadSettings: no server is set.
        ServerProblem: the server does not answer, or refuses.
    """
    for name, description in POOLS.items():
        _make_pool(name, description)
    before = _schedules()
    with resources.as_file(resources.files("deployments").joinpath("prefect.yaml")) as file:
        _deploy(file)
    _restore_schedules(before)
    _refuse_unknown_parameters()
    return list(DEPLOYMENTS)


def _make_pool(name: str, description: str) -> None:
    from httpx import HTTPError
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    url = server_url()
    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(name=name, type="process", description=description, base_job_template=template)
    try:
        with get_client(sync_client=True) as client:
            client.create_work_pool(pool)
    except ObjectAlreadyExists:
        return
    except (HTTPError, RuntimeError) as error:
        raise ServerProblem(f"{url}: {first_line(error)}; is PREFECT_API_URL right, and the server up?") from None


def _schedules() -> dict[tuple[str, str], dict[str, Any]]:
    """What people have made of the schedules: by deployment and slug, whether it is on, when, and its request."""
    found = {}
    for name in DEPLOYMENTS:
        for schedule in _read_deployment(name).get("schedules", []):
            kept = {key: schedule[key] for key in ("active", "schedule", "parameters")}
            found[name, schedule["slug"]] = kept
    return found


def _restore_schedules(before: dict[tuple[str, str], dict[str, Any]]) -> None:
    """Give schedules their state back, since deploying writes the file's over it."""
    for name in DEPLOYMENTS:
        deployment = _read_deployment(name)
        for schedule in deployment.get("schedules", []):
            if (kept := before.get((name, schedule["slug"]))) is not None:
                _ask_server("PATCH", f"/deployments/{deployment['id']}/schedules/{schedule['id']}", kept)


def _refuse_unknown_parameters() -> None:
    """Have the server refuse parameters that a flow does not have, which would crash a run before it starts."""
    for name in DEPLOYMENTS:
        deployment = _read_deployment(name)
        schema = {**deployment["parameter_openapi_schema"], "additionalProperties": False}
        _ask_server("PATCH", f"/deployments/{deployment['id']}", {"parameter_openapi_schema": schema})


def _read_deployment(name: str) -> dict[str, Any]:
    """A deployment as the server tells it; empty if it is not there."""
    return _ask_server("GET", f"/deployments/name/{name}") or {}


def _ask_server(method: Literal["GET", "PATCH"], path: str, body: dict[str, Any] | None = None) -> Any:
    from httpx import HTTPError, HTTPStatusError
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    try:
        with get_client(sync_client=True) as client:
            answer = client._client.request(method, path, json=body)
            answer.raise_for_status()
            return answer.json() if answer.content else None
    except ObjectNotFound:
        return None
    except HTTPStatusError as error:
        if error.response.status_code == 404:
            return None
        raise ServerProblem(f"{server_url()}: {method} {path}: {error.response.text[:200]}") from None
    except (HTTPError, RuntimeError) as error:
        message = first_line(error)
        raise ServerProblem(f"{server_url()}: {message}; is PREFECT_API_URL right, and the server up?") from None


def _deploy(file: Path) -> None:
    prefect = str(Path(sys.executable).with_name("prefect"))
    command = [sys.executable, prefect, "--no-prompt", "deploy", "--prefect-file", str(file), "--all"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise ServerProblem(f"prefect deploy: {lines[-1] if lines else 'failed'}; mend that, and deploy again")


def server_url() -> str:
    """Address of the Prefect server's API.

    Raises:
        BadSettings: none is set.
    """
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if not url:
        raise BadSettings("PREFECT_API_URL is not set; set it to the server's API, such as http://server:4200/api")
    return str(url)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind."""
    return (str(error).splitlines() or [type(error).__name__])[0] or type(error).__name__
