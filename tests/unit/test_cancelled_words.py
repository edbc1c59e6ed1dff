"""What people read of a training run that was cancelled."""

import pytest

from deployments.cli.show_runs import show_cancelled

RUN = {"flow_run_name": "wise-bee", "flow_run_state": "Cancelled", "child_runs": []}


@pytest.mark.parametrize(
    ("epoch", "words"),
    [
        (0, "a checkpoint from within the first epoch is kept; the same request later goes on from there"),
        (1, "a checkpoint after 1 epoch is kept; the same request later goes on from there"),
        (17, "a checkpoint after 17 epochs is kept; the same request later goes on from there"),
        (None, "has no checkpoint yet; the same request later begins anew"),
    ],
)
def test_what_is_kept_is_said_in_words_that_fit_the_number(capsys, epoch, words):
    show_cancelled({**RUN, "kept": [{"run_key": "ab" * 32, "epoch": epoch, "finished": False}]})
    assert capsys.readouterr().err.splitlines()[-1].endswith(words)
