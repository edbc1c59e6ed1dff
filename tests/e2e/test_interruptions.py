"""Runs that are killed or cancelled, on real servers and workers."""

from tests.e2e.long_runs import assert_resumed_to_the_end, start_long_run
from tests.e2e.stack import wait_for


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
