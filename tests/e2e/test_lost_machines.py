"""Runs whose machine or processes are lost, which other processes have to notice."""

import psutil

from tests.e2e.long_runs import (
    assert_resumed_to_the_end,
    child_of,
    lose,
    machine_of,
    start_long_run,
    states_of,
    trainer_of,
)
from tests.fakes.waiting import wait_for


def test_a_run_whose_machine_is_lost_goes_on_on_the_next_worker_and_can_be_cancelled_when_that_is_lost(stack, export):
    run, trainer, run_key = start_long_run(stack, export, "lost", 14)
    lose(machine_of(trainer))
    again = wait_for(lambda: (found := trainer_of(stack)) and found.pid != trainer.pid and found)
    assert f"{run_key}" in " ".join(again.cmdline())
    child = child_of(stack, run)
    assert (child["state"]["name"], child["run_count"]) == ("Running", 2)
    crashed = [message for name, message in states_of(stack, child["id"]) if name == "Crashed"]
    assert [message[:15] for message in crashed] == ["no sign of life"]

    lose(machine_of(again))
    stack.api(f"/flow_runs/{run}/set_state", {"state": {"type": "CANCELLING", "name": "Cancelling"}})
    assert stack.end(run)[0] == "Cancelled", stack.state(run)
    wait_for(lambda: child_of(stack, run)["state"]["name"] == "Cancelled")
    assert stack.nasflow("models", "list", "--project", "lost")["models"] == []


def test_a_run_whose_trainer_and_then_its_own_process_are_killed_goes_on_where_it_was(stack, export):
    run, trainer, run_key = start_long_run(stack, export, "parent", 15)
    trainer.kill()
    again = wait_for(lambda: (found := trainer_of(stack)) and found.pid != trainer.pid and found)
    (retrain_process,) = [
        process for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get("PREFECT__FLOW_RUN_ID") == run and process.children() == []
    ]  # fmt: skip
    retrain_process.kill()
    assert again.is_running()
    wait_for(lambda: stack.api(f"/flow_runs/{run}")["run_count"] == 2)
    assert_resumed_to_the_end(stack, run, run_key)
    # The training went on meanwhile, in the flow run that it was.
    child = child_of(stack, run)
    assert (child["state"]["name"], child["run_count"]) == ("Completed", 1)
