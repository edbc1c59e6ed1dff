"""How much of a busy processor a thread beside training takes."""

import os
import sys
import threading

BESIDE_TRAINING = 10
"""Niceness of threads that may wait: they get what is idle, and a tenth of a core that training wants as well. A step
waits for its slowest thread, so each of them that is pushed aside costs the time of all."""


def yield_to_training() -> None:
    """Have the calling thread, and those that it starts, take what training leaves; elsewhere than on Linux nothing."""
    if sys.platform == "linux":  # there, a thread has a niceness of its own
        thread = threading.get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + BESIDE_TRAINING)
