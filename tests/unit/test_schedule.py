"""The learning rate over a run, and the decay of the averaged weights."""

import subprocess
import sys

import pytest

from tasks.records import TrainingSpec
from tasks.training.worker.loop.schedule import ema_decay_at, learning_rate


def spec(**changes) -> TrainingSpec:
    values = {
        "snapshot_digest": "0" * 64, "classes": ("disc",), "variant": "s", "epochs": 10, "image_size": 64,
        "batch_size": 2, "learning_rate": 1e-3, "warmup_steps": 10, "final_learning_rate_ratio": 0.1, "patience": 5,
        "seed": 0,
    }  # fmt: skip
    return TrainingSpec(**{**values, **changes})


def rates(total: int, **changes) -> list[float]:
    return [learning_rate(spec(**changes), step, total) for step in range(total)]


def test_warm_up_is_linear_and_starts_above_zero() -> None:
    assert rates(1000)[:11] == pytest.approx([1e-3 * (step + 1) / 11 for step in range(11)])


def test_cosine_falls_from_the_peak_to_the_last_ratio() -> None:
    got = rates(1000)
    assert got[10] == max(got) == 1e-3
    assert got[10:] == sorted(got[10:], reverse=True)
    assert got[10 + 495] == pytest.approx(0.55e-3)
    assert got[-1] == pytest.approx(1e-4, rel=1e-3)
    assert learning_rate(spec(), 2000, 1000) == pytest.approx(1e-4)


def test_warm_up_is_at_most_a_tenth_of_the_run() -> None:
    assert rates(50).index(1e-3) == 5
    assert rates(5)[0] == 1e-3


def test_constant_rate() -> None:
    assert set(rates(20, warmup_steps=0, final_learning_rate_ratio=1.0)) == {1e-3}


def test_run_of_one_step() -> None:
    assert rates(1) == [1e-3]


def test_average_catches_up_and_then_keeps() -> None:
    got = [ema_decay_at(0.9997, updates) for updates in (0, 1, 90, 10**6)]
    assert got == pytest.approx([0.1, 2 / 11, 0.91, 0.9997])


def test_schedule_loads_no_torch() -> None:
    code = "import sys, tasks.training.worker.loop.schedule; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
