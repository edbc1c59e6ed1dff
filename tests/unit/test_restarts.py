"""A crashed run is started again a few times, with growing waits, and anew after it made progress."""

from typing import Any

import pytest

from tasks.orchestration.restarts import PROGRESS, RESTART_DELAYS, STARTS, decide


def crashes(progress_at_each):
    """Delays that a run gets which crashes with this progress, once after the other."""
    labels: dict[str, Any] = {}
    delays = []
    for progress in progress_at_each:
        decision = decide(labels, progress)
        delays.append(decision.delay)
        if decision.delay is not None:
            labels = {STARTS: decision.starts, PROGRESS: progress}
    return delays


def test_a_run_without_progress_is_started_three_times_with_growing_waits():
    assert crashes([0, 0, 0, 0, 0]) == [*RESTART_DELAYS, None, None]
    assert list(RESTART_DELAYS) == sorted(set(RESTART_DELAYS))
    assert len(RESTART_DELAYS) == 3


def test_a_run_with_progress_each_time_is_never_given_up():
    assert crashes(range(50)) == [RESTART_DELAYS[0]] * 50


def test_progress_is_counted_from_the_last_start():
    assert crashes([0, 0, 1, 1, 1, 1]) == [*RESTART_DELAYS[:2], *RESTART_DELAYS, None]


@pytest.mark.parametrize("lost", [5, 1])
def test_lost_progress_is_no_progress(lost):
    """As after a checkpoint that could not be read, so that an older one was taken."""
    assert crashes([lost, 0, 0, 0]) == [*RESTART_DELAYS, None]
