"""How far a run is, which epoch was best, and when it is over."""

import subprocess
import sys

import pytest

from tasks.metrics.history import still_rising
from tasks.records import BestEpoch, EpochResult
from tasks.training.worker.loop.progress import Progress, is_better


def result(epoch, score, valid_loss=1.0):
    return EpochResult(
        epoch=epoch,
        losses={"total": 2.0},
        valid_losses={"total": valid_loss},
        map=score,
        map50=score,
        precision=0,
        recall=0,
        lr=1e-3,
        seconds=0,
    )


def after(*scores):
    progress = Progress()
    for epoch, score in enumerate(scores, start=1):
        progress.add_step(images=4, seconds=2.0)
        progress.add_epoch(result(epoch, score), validation_seconds=1.0)
    return progress


@pytest.mark.parametrize(
    ("score", "valid_loss", "better"),
    [(0.51, 9.0, True), (0.49, 0.1, False), (0.5, 0.9, True), (0.5, 1.0, False), (0.5, 1.1, False)],
)
def test_better_is_a_higher_map_or_a_lower_loss_at_the_same(score, valid_loss, better):
    best = BestEpoch(epoch=1, map=0.5, valid_loss=1.0)
    assert is_better(result(2, score, valid_loss), best) is better


def test_an_epoch_takes_its_steps_and_its_validation():
    progress = Progress()
    progress.add_step(images=4, seconds=2.0)
    progress.add_step(images=2, seconds=1.0)
    assert progress.add_epoch(result(1, 0.1), validation_seconds=0.5).seconds == 3.5
    assert (progress.epochs_done, progress.steps_done, progress.epoch_seconds) == (1, 0, 0.0)
    assert progress.images_per_second == pytest.approx(2.0)


def test_the_best_epoch_is_the_highest():
    assert after(0.1, 0.4, 0.3).best == BestEpoch(epoch=2, map=0.4, valid_loss=1.0)


@pytest.mark.parametrize(
    ("scores", "ending"),
    [((0.1,), None), ((0.1, 0.2, 0.1), None), ((0.2, 0.1, 0.1), "patience"), ((0.1, 0.2, 0.3, 0.4), "epochs")],
)
def test_a_run_ends_with_its_epochs_or_its_patience(scores, ending):
    assert after(*scores).ended(epochs=4, patience=2) == ending


def test_time_left_is_the_pace_so_far_times_what_is_left():
    progress = after(0.1, 0.2)  # 3 s an epoch
    assert progress.seconds_left(epochs=5, steps_per_epoch=2) == pytest.approx(9.0)
    progress.add_step(images=4, seconds=1.5)
    assert progress.seconds_left(epochs=5, steps_per_epoch=2) == pytest.approx(7.5 * 2.5 / 2.5)


@pytest.mark.parametrize(
    ("scores", "rising"),
    [
        ([0.1], False),  # nothing to compare with
        ([0.1, 0.2], True),
        ([0.1, 0.2, 0.3, 0.4, 0.5], True),
        ([0.1, 0.2, 0.5, 0.5, 0.505], False),  # hardly
        ([0.1, 0.2, 0.5, 0.4, 0.3], False),
        ([0.1] * 8 + [0.4, 0.3], True),  # the last fifth, not the last epoch alone
        ([0.0] * 10, False),
    ],
)
def test_whether_the_curve_still_rose(scores, rising):
    assert still_rising(after(*scores).history) is rising


def test_it_needs_no_torch():
    code = "import sys, tasks.training.worker.loop.progress; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
