"""How fast a model detects on this device. No torch here: only what is timed, how often, and the statistics."""

import math
import statistics
import time
from collections.abc import Callable

from tasks.records import Speed
from tasks.training.worker.runtime.process import shortage_of

WARM_UP = 3
"""Rounds that do not count: at first a device chooses kernels and allocates memory."""
SINGLE_ROUNDS = 30
BATCH_ROUNDS = 5
"""Chosen, as the limit in seconds is."""
MAX_SECONDS = 10.0
"""For single images, and again for batches. A round that has begun is finished."""

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
        detect: Detects on so many images, and returns when the device is done.
        batch: Images per batch; halved while the device has too little memory.
        device: Device and precision, in words.
        parameters: Number of the network's parameters.
        file_bytes: Size of the weights file in bytes.
        clock: Gives seconds.

    Returns:
        Latency of single images in milliseconds, and images per second in batches.
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
    """Time batches, halved until they fit the device's memory.

    Args:
        detect: As of ``measure_speed``.
        batch: Images per batch.
        clock: Gives seconds.

    Returns:
        Images per batch, and the seconds of each round.
    """
    try:
        return batch, seconds_of_rounds(lambda: detect(batch), BATCH_ROUNDS, 1, clock)
    except Exception as error:
        if batch == 1 or not shortage_of(error):
            raise
    return batches_that_fit(detect, batch // 2, clock)


def seconds_of_rounds(
    work: Callable[[], None], rounds: int, warm_up: int, clock: Clock, max_seconds: float = MAX_SECONDS
) -> list[float]:
    """Time rounds of work, fewer where they take too long.

    Args:
        work: One round.
        rounds: Maximum number of rounds that count.
        warm_up: Rounds before them. If time runs out during these, the last one counts.
        clock: Gives seconds.
        max_seconds: Time, warm-up included, after which no round begins.

    Returns:
        Seconds of each round that counts.
    """
    seconds: list[float] = []
    began = now = clock()
    while len(seconds) < warm_up + rounds and (not seconds or now - began < max_seconds):
        start = clock()
        work()
        now = clock()
        seconds.append(now - start)
    return seconds[warm_up:] or seconds[-1:]


def percentile(values: list[float], share: float) -> float:
    """The smallest value that at least a ``share`` of the values do not exceed."""
    return sorted(values)[math.ceil(share * len(values)) - 1]
