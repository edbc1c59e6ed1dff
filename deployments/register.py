"""Registering work pools and deployments on a Prefect server, as often as one likes."""

import subprocess
import sys
from importlib import resources
from pathlib import Path

from tasks.errors import BadSettings, ServerProblem

POOLS = {
    "default": "Light flow runs: labels, the gate, publishing.",
    "gpu": "Training and evaluation; start one worker a GPU, with --limit 1.",
}

DEPLOYMENTS = ("retrain/retrain", "train/train", "evaluate/evaluate")
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
    with resources.as_file(resources.files("deployments").joinpath("prefect.yaml")) as file:
        _deploy(file)
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
