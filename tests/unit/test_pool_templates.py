"""Base job templates: what a worker of Docker or of Kubernetes is told for a flow run."""

import json
import re
from pathlib import Path

import pytest
from docker.models.containers import RUN_CREATE_KWARGS, RUN_HOST_CONFIG_KWARGS
from docker.types import Healthcheck

from deployments.remote.pool_templates import template_of
from tasks.settings import StoreSettings


def containers(template):
    return template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]["containers"]


@pytest.mark.parametrize("pool", ["default", "gpu"])
@pytest.mark.parametrize("pool_type", ["docker", "kubernetes"])
def test_every_placeholder_is_a_variable_and_every_variable_is_used(pool, pool_type):
    template = template_of(pool, pool_type)
    used = set(re.findall(r"\{\{ (\$?\w+) \}\}", json.dumps(template["job_configuration"])))
    assert used == set(template["variables"]["properties"])


@pytest.mark.parametrize(("pool", "has_gpu"), [("default", False), ("gpu", True)])
def test_only_runs_of_the_gpu_pool_get_a_gpu(pool, has_gpu):
    kept = template_of(pool, "docker")["job_configuration"]["container_create_kwargs"]
    (container,) = containers(template_of(pool, "kubernetes"))
    assert ("device_requests" in kept) is has_gpu
    assert ("nvidia.com/gpu" in container["resources"]["limits"]) is has_gpu


def test_what_prefect_docker_drops_from_its_keywords_is_in_fields_of_its_own():
    configuration = template_of("gpu", "docker")["job_configuration"]
    dropped = {"mem_limit", "labels", "name", "volumes", "privileged", "auto_remove", "image", "command", "environment"}
    assert dropped.isdisjoint(configuration["container_create_kwargs"])
    assert {"mem_limit", "volumes"} <= set(configuration)


@pytest.mark.parametrize("pool", ["default", "gpu"])
def test_docker_knows_each_keyword_of_a_container(pool):
    keywords = template_of(pool, "docker")["job_configuration"]["container_create_kwargs"]
    assert set(keywords) <= {*RUN_CREATE_KWARGS, *RUN_HOST_CONFIG_KWARGS}


def test_the_container_of_a_run_is_not_asked_for_the_health_of_a_worker():
    keywords = template_of("gpu", "docker")["job_configuration"]["container_create_kwargs"]
    assert Healthcheck(**keywords["healthcheck"]).test == ["NONE"]  # no check, also where the image has one


def test_a_container_gets_the_store_of_its_worker_and_no_path_of_it():
    environment = template_of("gpu", "docker")["variables"]["properties"]["env"]["default"]
    store = {f"NASFLOW_STORE_{name}".upper() for name in StoreSettings.model_fields} - {"NASFLOW_STORE_CA_BUNDLE"}
    assert store <= set(environment)
    assert "NASFLOW_WORK_DIR" not in environment
    assert all(value == f"{{{{ ${name} }}}}" for name, value in environment.items())


def test_limits_of_a_pod_equal_its_requests():
    (container,) = containers(template_of("gpu", "kubernetes"))
    assert container["resources"]["limits"] == container["resources"]["requests"]


def test_a_pod_has_shared_memory_and_time_for_a_checkpoint():
    template = template_of("gpu", "kubernetes")
    pod = template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    (volume,) = (one for one in pod["volumes"] if one["emptyDir"].get("medium") == "Memory")
    mounts = {one["name"]: one["mountPath"] for one in pod["containers"][0]["volumeMounts"]}
    assert mounts[volume["name"]] == "/dev/shm"  # noqa: S108, of the pod
    assert pod["terminationGracePeriodSeconds"] == "{{ grace_seconds }}"
    assert template["variables"]["properties"]["grace_seconds"]["default"] >= 60


def test_each_pool_of_kubernetes_has_a_secret_of_its_own_and_the_docs_make_both():
    """Runs that train may not touch models."""
    secrets = [
        template_of(pool, "kubernetes")["variables"]["properties"]["secret"]["default"] for pool in ("default", "gpu")
    ]
    docs = (Path(__file__).parents[2] / "docs" / "deploying.md").read_text()
    made = re.findall(r"^kubectl create secret generic (nasflow-\S+) .*=(\w+)\.env$", docs, re.MULTILINE)
    assert made == list(zip(secrets, ("control", "worker"), strict=True))
