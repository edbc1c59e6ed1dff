"""Timing a model, with a detector that moves the clock itself."""

import pytest

from tasks.errors import TrainingStopped
from tasks.training.worker.loop.latency import (
    BATCH_ROUNDS,
    SINGLE_ROUNDS,
    WARM_UP,
    measure_speed,
    percentile,
    seconds_of_rounds,
)


class Slow:
    """A detector that takes given seconds a round by its own clock: the first, the second, and the last ever after."""

    def __init__(self, *seconds: float, holds: int = 100, error: Exception | None = None) -> None:
        self.now = 100.0
        self.asked: list[int] = []
        self._seconds, self._holds, self._error = seconds, holds, error

    def clock(self) -> float:
        return self.now

    def detect(self, count: int) -> None:
        if count > self._holds and self._error:
            raise self._error
        self.now += self._seconds[min(len(self.asked), len(self._seconds) - 1)]
        self.asked.append(count)

    def rounds(self, rounds: int, warm_up: int, longest: float) -> list[float]:
        return seconds_of_rounds(lambda: self.detect(1), rounds, warm_up, self.clock, longest)

    def speed(self):
        about = {"parameters": 7, "file_bytes": 9}
        return measure_speed(self.detect, batch=16, clock=self.clock, device="cpu bf16", **about)


def test_the_first_rounds_do_not_count():
    assert Slow(9, 8, 1, 2, 3).rounds(3, 2, 100) == [1, 2, 3]


@pytest.mark.parametrize(
    ("seconds", "warm_up", "counted"),
    [
        ([4], 1, [4, 4]),  # begun at 0, 4 and 8 seconds
        ([4], 5, [4]),  # the warm-up alone is too long: the last round counts
        ([60, 1], 1, [60]),
        ([60, 1], 0, [60]),
        ([10, 1], 0, [10]),
    ],
)
def test_no_round_is_begun_after_the_longest_time(seconds, warm_up, counted):
    assert Slow(*seconds).rounds(30, warm_up, 10) == counted


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([5], 0.95, 5), ([2, 1], 0.95, 2), (list(range(20, 0, -1)), 0.95, 19), (list(range(1, 31)), 0.95, 29)],
)
def test_percentile(values, share, expected):
    assert percentile(values, share) == expected


def test_latency_is_a_median_and_throughput_is_of_batches():
    singles = [0.5] * WARM_UP + [0.010] * 16 + [0.020] * (SINGLE_ROUNDS - 18) + [0.030] * 2
    slow = Slow(*singles, 2.0, 0.5)
    speed = slow.speed()
    assert slow.asked == [1] * (WARM_UP + SINGLE_ROUNDS) + [16] * (1 + BATCH_ROUNDS)
    assert (speed.latency_ms, speed.latency_p95_ms, speed.throughput) == (10.0, 30.0, 32.0)
    assert (speed.batch, speed.device, speed.parameters, speed.file_bytes) == (16, "cpu bf16", 7, 9)


def test_an_even_number_of_times_has_its_median_between_two():
    assert Slow(*[0] * WARM_UP, *[0.010, 0.020] * (SINGLE_ROUNDS // 2), 1.0).speed().latency_ms == 15.0


def test_a_slow_device_is_measured_in_bounded_time():
    slow = Slow(30.0)
    began = slow.now
    speed = slow.speed()
    assert slow.asked == [1, 16]
    assert slow.now - began == 60.0
    assert (speed.latency_ms, speed.latency_p95_ms) == (30_000.0, 30_000.0)


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError()])
def test_batches_are_halved_until_the_device_holds_them(error):
    speed = Slow(0.25, holds=5, error=error).speed()
    assert (speed.batch, speed.throughput) == (4, 16.0)


@pytest.mark.parametrize("error", [RuntimeError("another"), TrainingStopped("stopped on request")])
def test_other_errors_end_it(error):
    with pytest.raises(type(error)):
        Slow(0.25, holds=5, error=error).speed()


def test_too_little_memory_for_one_image_is_an_error():
    with pytest.raises(MemoryError):
        Slow(0.25, holds=0, error=MemoryError()).speed()
