"""How fast a model detects on this device: what is timed, how often, and what is made of it. No torch here."""

import math
import statistics
import time
from collections.abc import Callable

from tasks.records import Speed
from tasks.training.worker.runtime.process import shortage_of

WARM_UP = 3
"""Rounds that are not counted: a device is slower at first, when it chooses kernels and takes memory."""
SINGLE_ROUNDS = 30
BATCH_ROUNDS = 5
LONGEST_SECONDS = 10.0
"""For single images, and again for batches; a round that was begun is ended."""

Clock = Callable[[], float]


def measure_speed(
    detect: Callable[[int], None],
    *,
    batch: int,
    device: str,
    parameters: int,
    file_bytes: int,
    clock: Clock = time.perf_counter,
) -> Speed:
    """Time single images, then batches.

    Args:
        detect: Detects on so many images, and comes back when the device has done it.
        batch: Images of a batch; halved where the device has too little memory for it.
        device: Device and precision, in words.
        parameters: Numbers that the network learns.
        file_bytes: Size of the weights file in bytes.
        clock: Seconds.
    """
    singles = seconds_of_rounds(lambda: detect(1), SINGLE_ROUNDS, WARM_UP, clock)
    batch, batches = batches_that_fit(detect, batch, clock)
    return Speed(
        device=device,
        latency_ms=round(1000 * statistics.median(singles), 3),
        latency_p95_ms=round(1000 * percentile(singles, 0.95), 3),
        throughput=round(batch / statistics.median(batches), 3),
        batch=batch,
        parameters=parameters,
        file_bytes=file_bytes,
    )


def batches_that_fit(detect: Callable[[int], None], batch: int, clock: Clock) -> tuple[int, list[float]]:
    """The images of a batch, halved until the device holds them, and the seconds of each round.

    A split of few images is detected in smaller batches, so that this may be more than has been asked of the device.
    """
    try:
        return batch, seconds_of_rounds(lambda: detect(batch), BATCH_ROUNDS, 1, clock)
    except Exception as error:
        if batch == 1 or not shortage_of(error):
            raise
    return batches_that_fit(detect, batch // 2, clock)


def seconds_of_rounds(
    work: Callable[[], None], rounds: int, warm_up: int, clock: Clock, longest: float = LONGEST_SECONDS
) -> list[float]:
    """Seconds of each of ``rounds`` rounds after ``warm_up`` others; of fewer where they take too long.

    Args:
        work: One round.
        rounds: Most that count.
        warm_up: Rounds before them. Where time is over before these are, the last of them counts.
        clock: Seconds.
        longest: Seconds, warm-up included, after which no round is begun.
    """
    seconds: list[float] = []
    began = now = clock()
    while len(seconds) < warm_up + rounds and (not seconds or now - began < longest):
        start = clock()
        work()
        now = clock()
        seconds.append(now - start)
    return seconds[warm_up:] or seconds[-1:]


def percentile(values: list[float], share: float) -> float:
    """The smallest of the values that no less than ``share`` of them reach at most."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
