"""A trainer that is killed, on real servers and workers. Lost machines and cancelling have modules of their own."""

from tests.e2e.long_runs import assert_resumed_to_the_end, start_long_run


def test_a_killed_trainer_is_started_again_from_its_checkpoint(stack, export):
    run, trainer, run_key = start_long_run(stack, export, "killed", 11)
    trainer.kill()
    assert_resumed_to_the_end(stack, run, run_key)
