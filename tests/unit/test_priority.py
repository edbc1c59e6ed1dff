"""Threads that give way to training, and those that do not."""

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.local.priority import BESIDE_TRAINING, yield_to_training


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have a niceness of their own on Linux")
def test_a_thread_and_those_it_starts_give_way_and_no_other() -> None:
    def work() -> tuple[int, int]:
        yield_to_training()
        with ThreadPoolExecutor(1) as pool:
            return niceness(), pool.submit(niceness).result()

    before = niceness()
    after = min(before + BESIDE_TRAINING, 19)  # the kernel's highest
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() == (after, after)
    assert niceness() == before
