"""All images through the network: threads read, detect, draw and write, each an image at a time."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tasks.local.threads import in_context

T = TypeVar("T")
R = TypeVar("R")

EXTRA_THREADS = 2
"""Threads beside those that wait for the network, so that the next images are ready when it is free."""


def in_order(work: Callable[[T], R], items: Iterable[T], parallel: int) -> Generator[R, None, None]:
    """Do work on items in threads, and give the results in the order of the items.

    A few items are under way at a time, so that memory does not grow with their number. Closing the generator waits for
    those, and takes no more.

    Args:
        work: What is done with an item.
        items: The items, taken one by one when a thread is about to be free.
        parallel: Images that the network computes at once.

    Yields:
        The results.
    """
    threads = parallel + EXTRA_THREADS
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        in_thread = in_context(work)
        for item in items:
            waiting.append(pool.submit(in_thread, item))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
