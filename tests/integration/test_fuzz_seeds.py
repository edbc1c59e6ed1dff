"""Randomly changed exports: the seeds that once showed faults, and some more."""

import pytest

from tests.fuzz.labels import SEEDS, attempt


@pytest.mark.parametrize("seed", [*SEEDS, *range(60)])
def test_a_changed_export_is_read_or_refused(seed):
    attempt(seed)
