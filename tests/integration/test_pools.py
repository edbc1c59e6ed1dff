"""Work pools of each type on a real server: made as asked, kept as people set them, never of another type."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client

from deployments.remote.pools import FIRST_QUEUE, POOLS
from deployments.remote.register import register
from tasks.errors import BadRequest
from tests.fakes.prefect_server import prefect_server


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with prefect_server(tmp_path_factory.mktemp("prefect")) as url:
        yield url


@pytest.fixture
def client(server):
    """A client of a server without work pools."""
    with get_client(sync_client=True) as client:
        for pool in client.read_work_pools():
            client.request("DELETE", "/work_pools/{name}", path_params={"name": pool.name})
        yield client


def types(client):
    return {pool.name: pool.type for pool in client.read_work_pools()}


@pytest.mark.parametrize("pool_type", ["process", "docker", "kubernetes"])
def test_the_pools_have_the_type_that_was_asked_for(client, pool_type):
    registered = register(pool_type=pool_type)
    assert types(client) == dict.fromkeys(POOLS, pool_type)
    train = client.read_deployment_by_name("train/train")
    assert (len(registered), train.work_pool_name) == (10, "gpu")


def test_without_the_option_new_pools_are_of_processes_and_others_stay(client):
    register()
    assert types(client) == dict.fromkeys(POOLS, "process")
    client.request("DELETE", "/work_pools/{name}", path_params={"name": "gpu"})
    with pytest.raises(BadRequest):
        register(pool_type="kubernetes")
    assert types(client) == {"default": "process"}


def test_another_type_is_refused_before_anything_is_made(client):
    register(pool_type="docker")
    with pytest.raises(BadRequest, match=r"--pool-type process: the work pool default is of type docker"):
        register(pool_type="process")
    register()
    assert types(client) == dict.fromkeys(POOLS, "docker")


def test_after_its_pool_was_deleted_a_deployment_is_in_the_new_one_of_another_type(client):
    register()
    client.request("DELETE", "/work_pools/{name}", path_params={"name": "gpu"})
    client.request("DELETE", "/work_pools/{name}", path_params={"name": "default"})
    registered = register(pool_type="docker")
    changed = {one["deployment"]: one["changed"] for one in registered}
    assert changed["train/train"] == ["work pool added"]
    assert sorted(changed["supervise/supervise"]) == ["work pool added", "work queue added"]
    assert client.read_deployment_by_name("train/train").work_pool_name == "gpu"
    assert client.read_deployment_by_name("supervise/supervise").work_queue_name == FIRST_QUEUE


def test_what_looks_after_runs_is_taken_before_runs_that_have_waited_for_longer(client):
    """A control worker has few places, and retrain runs keep theirs for hours."""
    register()

    def ask_for(name, parameters):
        deployment = client.read_deployment_by_name(f"{name}/{name}")
        return client.create_flow_run_from_deployment(deployment.id, parameters=parameters).id

    retrain = [ask_for("retrain", {"request": {"project": f"pets-{number}"}}) for number in range(3)]
    supervise = ask_for("supervise", {"job": {"flow_run": str(retrain[0])}})
    found = client.request(
        "POST", "/work_pools/{name}/get_scheduled_flow_runs", path_params={"name": "default"}, json={}
    ).json()
    assert [one["flow_run"]["id"] for one in found] == [str(supervise), *map(str, retrain)]


def test_the_priorities_that_people_set_stay(client):
    register()
    path = {"work_pool_name": "default", "name": "default"}
    client.request("PATCH", "/work_pools/{work_pool_name}/queues/{name}", path_params=path, json={"priority": 1})
    register()
    queues = {queue.name: queue.priority for queue in client.read_work_queues(work_pool_name="default")}
    assert queues == {"default": 1, FIRST_QUEUE: 2}


def test_a_template_that_people_changed_stays(client):
    register(pool_type="kubernetes")
    changed = client.read_work_pool("gpu").base_job_template
    changed["variables"]["properties"]["image"]["default"] = "registry.example/nasflow-worker:7"
    client.request("PATCH", "/work_pools/{name}", path_params={"name": "gpu"}, json={"base_job_template": changed})
    register(pool_type="kubernetes")
    assert client.read_work_pool("gpu").base_job_template == changed


@pytest.mark.parametrize("pool_type", ["docker", "kubernetes"])
def test_a_pool_shows_no_value_of_this_machine(client, pool_type, monkeypatch):
    monkeypatch.setenv("NASFLOW_STORE_SECRET_ACCESS_KEY", "planted-key")
    monkeypatch.setenv("NASFLOW_ROBOFLOW_API_KEY", "planted-key")
    register(pool_type=pool_type)
    assert "planted-key" not in json.dumps([pool.base_job_template for pool in client.read_work_pools()])


def test_a_run_starts_by_the_command_that_workers_of_containers_give_it(server, client, store_environment, tmp_path):
    """No worker is in a container: the run is named by a variable, and its flow by the module."""
    register(pool_type="docker")
    deployment = client.read_deployment_by_name("clean/clean")
    flow_run = client.create_flow_run_from_deployment(deployment.id, parameters={"job": {"remove": False}})
    command = [str(Path(sys.executable).with_name("prefect")), "flow-run", "execute"]
    environment = {
        **store_environment, "HOME": str(tmp_path), "PREFECT_HOME": str(tmp_path), "PREFECT_API_URL": server,
        "PREFECT__FLOW_RUN_ID": str(flow_run.id), "PATH": os.environ["PATH"],
    }  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert client.read_flow_run(flow_run.id).state.name == "Completed", done.stdout + done.stderr
