"""What the epochs of a run say together, to the trainer that ends it and to the report on it. Pure."""

from collections.abc import Sequence

from tasks.records import EpochResult

RISE = 0.01
"""Rise of mAP at the end that is worth more epochs."""
LATE_SHARE = 0.2
"""Share of the epochs that counts as the end of the curve."""


def still_rising(history: Sequence[EpochResult]) -> bool:
    """Whether mAP still rose when a run ended: the best epoch of its last fifth is clearly better than all before."""
    late = max(1, round(len(history) * LATE_SHARE))
    before = [epoch.map for epoch in history[:-late]]
    # Rounded, since 0.41 - 0.40 is a little less than 0.01 in floating point.
    return bool(before) and round(max(epoch.map for epoch in history[-late:]) - max(before), 9) >= RISE
