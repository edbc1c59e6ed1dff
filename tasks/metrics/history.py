"""What a run's history says about its end, for the trainer that ends it and for the report on it. Pure."""

from collections.abc import Sequence

from tasks.records import EpochResult

RISE = 0.01
"""Rise of mAP in the last epochs that justifies more epochs; chosen, as the share below is."""
LATE_SHARE = 0.2
"""Share of the epochs that counts as the last ones."""


def still_rising(history: Sequence[EpochResult]) -> bool:
    """Whether mAP still rose when a run ended: the best of its last fifth is clearly better than all epochs before."""
    late = max(1, round(len(history) * LATE_SHARE))
    earlier_maps = [epoch.map for epoch in history[:-late]]
    # Rounded, because 0.41 - 0.40 is a little less than 0.01 in floating point.
    return bool(earlier_maps) and round(max(epoch.map for epoch in history[-late:]) - max(earlier_maps), 9) >= RISE
