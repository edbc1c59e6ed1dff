"""``nasflow runs`` on a run that trains: shown, cancelled, retried, and completed from its checkpoint."""

from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tests.e2e.long_runs import start_long_run, states_of
from tests.fakes.waiting import wait_for


def test_a_cancelled_run_is_retried_and_goes_on_from_its_checkpoint(stack, export):
    run, trainer, run_key = start_long_run(stack, export, "retried", 17)
    (row,) = stack.nasflow("runs", "list", "--project", "retried", "--state", "running")["runs"]
    assert (row["flow_run"], [child["flow"] for child in row["child_runs"]]) == (run, ["train"])
    assert row["progress"]["text"].startswith("epoch ")
    shown = stack.nasflow("runs", "show", run[:8])
    assert (shown["request"]["seed"], shown["can"]) == (17, ["cancel"])
    assert {"export labels", "check labels"} <= {step["name"] for step in shown["steps"]}
    assert shown["last_heartbeat"]

    # Not waited for here: on a busy machine a trainer needs more than a minute for its last checkpoint.
    cancelled = stack.nasflow("runs", "cancel", run, "--no-wait")
    family = [run, *(child["flow_run"] for child in cancelled["child_runs"])]
    assert len(family) == 2
    (kept,) = cancelled["kept"]
    assert (kept["run_key"], kept["finished"]) == (run_key, False)
    assert kept["epoch"] is not None  # 0 for a checkpoint of the middle of the first epoch
    wait_for(lambda: not trainer.is_running())
    wait_for(lambda: all(stack.state(one)[0] == "Cancelled" for one in family))

    retried = stack.nasflow("runs", "retry", run)
    assert (retried["flow_run"], retried["flow_run_state"]) == (run, "AwaitingRetry")
    assert retried["not_before"], "Prefect would play the cancel to the worker of the new attempt"
    wait_for(lambda: stack.state(run)[0] not in ("AwaitingRetry", "Cancelled"))
    assert stack.end(run)[0] == "Completed", states_of(stack, run)
    assert find_model(Store.from_environment(), run_key).result.resumed_from_epoch is not None
    done = stack.nasflow("runs", "show", run)
    assert (done["flow_run_state"], done["can"], done["attempts"]) == ("Completed", [], 2)
    assert [warning for warning in done["warnings"] if "termination signal" in warning["message"]] == []
    assert [child["flow_run_state"] for child in done["child_runs"]][:2] == ["Cancelled", "Completed"]
