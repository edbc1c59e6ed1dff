"""Runs that go on for a while, to be interrupted, on a local stack."""

from pathlib import Path

import psutil

from tasks.settings import TRAINER
from tasks.storage import keys
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tests.e2e.stack import retrain
from tests.fakes.waiting import wait_for

EPOCHS = 40
"""Of runs that are interrupted: enough to be running still some seconds after the first checkpoint is in the store."""


def trainer_of(stack):
    """The trainer process that works in the folder of the stack, or None."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if TRAINER in command and any(f"={stack.folder}" in part for part in command):
            return process
    return None


def start_long_run(stack, export, project, seed):
    """A run to be interrupted, its trainer, and its key, once a checkpoint is in the store."""
    run = retrain(stack, export, project, "--seed", str(seed), "--no-wait", epochs=EPOCHS)["flow_run"]
    trainer = wait_for(lambda: trainer_of(stack))
    command = trainer.cmdline()
    run_key = Path(next(part for part in command if part.startswith("--job="))).parent.name
    store = Store.from_environment()
    wait_for(lambda: any(key.endswith("manifest.json") for key in store.list(keys.checkpoints(run_key))))
    return run, trainer, run_key


def machine_of(trainer):
    """A trainer, its flow run and their worker: what ends when a machine does."""
    flow_run = trainer.parent()
    return [flow_run.parent(), flow_run, trainer]


def lose(processes):
    for process in processes:
        process.kill()


def child_of(stack, run):
    """The train run that a run waits for, as the server has it."""
    children = stack.api("/flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}})
    (child,) = [child for child in children if child["deployment_id"] == deployment_of(stack, "train")]
    return child


def deployment_of(stack, name):
    return stack.api(f"/deployments/name/{name}/{name}")["id"]


def states_of(stack, run):
    return [(state["name"], state["message"] or "") for state in stack.api(f"/flow_run_states/?flow_run_id={run}")]


def assert_resumed_to_the_end(stack, run, run_key):
    assert stack.end(run, ("Completed", "Failed"))[0] == "Completed", stack.state(run)
    result = find_model(Store.from_environment(), run_key).result.model_dump()
    assert result["epochs_done"] == EPOCHS
    assert result["resumed_from_epoch"] >= 1
