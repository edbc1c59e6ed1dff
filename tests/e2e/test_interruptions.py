"""Runs that are killed or cancelled, on real servers and workers."""

from pathlib import Path

import psutil

from tasks.storage import keys
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tests.e2e.stack import retrain, wait_for

EPOCHS = 20
"""Of runs that are interrupted: enough to be running still when the first checkpoint is in the store."""


def trainer_of(stack):
    """The trainer process that works in the folder of the stack, or None."""
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "tasks.training.worker" in command and any(f"={stack.folder}" in part for part in command):
            return process
    return None


def start_long_run(stack, export, project, seed):
    """A run to be interrupted, its trainer, and its key, once a checkpoint is in the store."""
    run = retrain(stack, export, project, "--seed", str(seed), "--no-wait", epochs=EPOCHS)["flow_run"]
    trainer = wait_for(lambda: trainer_of(stack))
    command = trainer.cmdline()
    run_key = Path(next(part for part in command if part.startswith("--out="))).name
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
    wait_for(lambda: stack.state(run)[0] in ("Completed", "Failed"))
    assert stack.state(run)[0] == "Completed", stack.state(run)
    result = find_model(Store.from_environment(), run_key).result.model_dump()
    assert result["epochs_done"] == EPOCHS
    assert result["resumed_from_epoch"] >= 1


def test_a_killed_trainer_is_started_again_from_its_checkpoint(stack, export):
    run, trainer, run_key = start_long_run(stack, export, "killed", 11)
    trainer.kill()
    assert_resumed_to_the_end(stack, run, run_key)


def test_a_killed_flow_run_is_asked_for_again_and_resumes(stack, export):
    run, trainer, run_key = start_long_run(stack, export, "crashed", 12)
    trainer.parent().kill()
    assert_resumed_to_the_end(stack, run, run_key)


def test_cancelling_ends_the_trainer_and_publishes_nothing(stack, export):
    run, trainer, _ = start_long_run(stack, export, "cancelled", 13)
    stack.api(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    wait_for(lambda: not trainer.is_running())
    wait_for(lambda: stack.state(run)[0] == "Cancelled")
    assert stack.nasflow("models", "list", "--project", "cancelled")["models"] == []


def test_a_run_whose_machine_is_lost_goes_on_on_the_next_worker(stack, export):
    run, trainer, run_key = start_long_run(stack, export, "lost", 14)
    lose(machine_of(trainer))
    assert_resumed_to_the_end(stack, run, run_key)
    child = child_of(stack, run)
    assert (child["state"]["name"], child["run_count"]) == ("Completed", 2)
    crashed = [message for name, message in states_of(stack, child["id"]) if name == "Crashed"]
    assert [message[:15] for message in crashed] == ["no sign of life"]


def test_a_retrain_run_whose_process_is_killed_goes_on_where_it_was(stack, export):
    run, trainer, run_key = start_long_run(stack, export, "parent", 15)
    (retrain_process,) = [
        process for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get("PREFECT__FLOW_RUN_ID") == run and process.children() == []
    ]  # fmt: skip
    retrain_process.kill()
    wait_for(lambda: stack.api(f"/flow_runs/{run}")["run_count"] == 2)
    assert trainer.is_running()
    wait_for(lambda: stack.state(run)[0] in ("Completed", "Failed"))
    assert stack.state(run)[0] == "Completed", stack.state(run)
    assert child_of(stack, run)["run_count"] == 1
    assert find_model(Store.from_environment(), run_key).result.resumed_from_epoch is None


def test_cancelling_ends_a_run_whose_child_is_lost(stack, export):
    run, trainer, _ = start_long_run(stack, export, "orphan", 16)
    lose(machine_of(trainer))
    stack.api(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    wait_for(lambda: stack.state(run)[0] == "Cancelled")
    wait_for(lambda: child_of(stack, run)["state"]["name"] == "Cancelled")
    assert stack.nasflow("models", "list", "--project", "orphan")["models"] == []
