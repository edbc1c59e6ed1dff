"""The garbage collector, where hundreds of thousands of objects are made that live to the end."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

RARELY = 100_000
"""New objects between two searches for garbage; each search looks at all of the younger ones."""


@contextmanager
def rare_garbage_collection() -> Iterator[None]:
    """Collect garbage less often for a while: what is made meanwhile is no garbage, so that each search is wasted."""
    thresholds = gc.get_threshold()
    gc.set_threshold(RARELY, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
