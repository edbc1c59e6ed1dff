"""prefect.yaml names flows and parameters that exist, and no schedule."""

import importlib
from pathlib import Path
from typing import get_args

import prefect
import pytest
import yaml
from pydantic import ValidationError

import deployments
from deployments.remote.deployment_settings import FILE_KEYS
from deployments.remote.pools import POOLS
from tasks.records import Part

FILE = Path(deployments.__file__).with_name("prefect.yaml")
DEPLOYMENTS = yaml.safe_load(FILE.read_text())["deployments"]
SHA = "a" * 64


def flow_of(deployment):
    module, _, name = deployment["entrypoint"].rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.fixture(params=DEPLOYMENTS, ids=lambda deployment: deployment["name"])
def deployment(request):
    return request.param


def test_each_deployment_has_its_pool():
    assert {d["name"]: d["work_pool"]["name"] for d in DEPLOYMENTS} == {
        "retrain": "default",
        "study": "default",
        "study-settings": "default",
        "compare": "default",
        "detect": "default",
        "train": "gpu",
        "evaluate": "gpu",
        "replay": "gpu",
        "supervise": "default",
        "clean": "default",
    }


def test_every_key_is_one_that_is_registered(deployment):
    assert set(deployment) <= FILE_KEYS
    assert set(deployment["work_pool"]) <= {"name", "work_queue_name", "job_variables"}


def test_the_entrypoint_is_a_flow_of_that_name(deployment):
    flow = flow_of(deployment)
    assert isinstance(flow, prefect.Flow)
    # Child flow runs are asked for as NAME/NAME.
    assert flow.name == deployment["name"]


def test_the_flow_takes_records_that_refuse_unknown_fields(deployment):
    flow = flow_of(deployment)
    parameter, *others = flow.parameters.properties
    assert others == (["space"] if deployment["name"] == "study-settings" else [])
    for annotation in (value for name, value in flow.fn.__annotations__.items() if name != "return"):
        kind = get_args(annotation)[0] if get_args(annotation) else annotation
        assert issubclass(kind, Part)
        assert kind.model_config["extra"] == "forbid"
    assert deployment["enforce_parameter_schema"] is True
    # Runs of a schedule without a request fail with a sentence; Prefect would crash them if it were required.
    assert flow.parameters.required == ([] if deployment["name"] == "retrain" else [parameter, *others])
    with pytest.raises((ValidationError, prefect.exceptions.ParameterTypeError)):
        flow.validate_parameters({parameter: {"no_such_field": 1}})


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("retrain", {"request": {"project": "pets", "workspace": "acme"}}),
        ("study", {"request": {"project": "pets", "export": "store://key"}}),
        ("study-settings", {"request": {"project": "pets", "export": "store://key"}, "space": {"trials": 5}}),
        ("compare", {"request": {"project": "pets", "baseline": 1, "version": 2}}),
        ("replay", {"request": {"project": "pets", "version": 2}}),
        ("detect", {"request": {"project": "pets", "prefix": "cameras/"}}),
        ("evaluate", {"job": {"run_key": SHA, "snapshot_digest": SHA, "split": "test"}}),
        (
            "train",
            {
                "job": {
                    "spec": {
                        "snapshot_digest": SHA, "classes": ["cat"], "variant": "s", "epochs": 1, "image_size": 64,
                        "batch_size": 1, "learning_rate": 0.001, "patience": 1, "seed": 0,
                    }
                }
            },
        ),
    ],
)  # fmt: skip
def test_parameters_are_accepted_as_plain_json(name, parameters):
    (deployment,) = (d for d in DEPLOYMENTS if d["name"] == name)
    values = flow_of(deployment).validate_parameters(parameters).values()
    assert all(isinstance(value, Part) for value in values)


def test_every_field_is_described_in_the_form(deployment):
    definitions = flow_of(deployment).parameters.definitions
    for record in definitions.values():
        for field, schema in record["properties"].items():
            assert schema.get("description"), field


def test_no_schedule_is_shipped_since_it_would_have_no_request(deployment):
    assert "schedules" not in deployment


def test_work_pools_are_the_ones_that_are_registered(deployment):
    assert deployment["work_pool"]["name"] in POOLS
    assert deployment["work_pool"]["job_variables"]["env"]["PREFECT_LOGGING_EXTRA_LOGGERS"] == "tasks"
