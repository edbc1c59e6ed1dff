"""What an alias's history says: where a rollback goes to, and what was rolled back."""

from datetime import UTC, datetime

import pytest

from tasks.promotion.aliases import previous_version, rollbacks
from tasks.records import AliasMove

AT = datetime(2026, 11, 28, tzinfo=UTC)


def history(*moves):
    """Promotions by version, and rollbacks as pairs: the version gone back to, and the one that was left."""
    pairs = [(move, None) if isinstance(move, int) else move for move in moves]
    return [AliasMove(version=version, at=AT, reason="a test", rolled_back=left) for version, left in pairs]


@pytest.mark.parametrize(
    ("moves", "previous"),
    [
        ([], None),
        ([1], None),
        ([1, 2], 1),
        ([1, 2, 5], 2),
        ([1, 2, 5, (2, 5)], 1),
        ([1, 2, 5, (2, 5), (1, 2)], None),
        ([1, 2, (1, 2), 3], 1),
        ([1, 2, (1, 2), 2], 1),
        ([1, 2, 1], 2),
        ([1, 2, 1, (2, 1)], 1),
    ],
)
def test_a_rollback_goes_to_the_version_before_the_last_promotion_that_holds(moves, previous):
    assert previous_version(history(*moves)) == previous


@pytest.mark.parametrize(
    ("moves", "left"),
    [
        ([1, 2], set()),
        ([1, 2, (1, 2)], {2}),
        ([1, 2, (1, 2), 3, (1, 3)], {2, 3}),
        ([1, 2, (1, 2), 2], set()),
        ([1, 2, 1, (2, 1), (1, 2)], {2}),
    ],
)
def test_what_was_rolled_back_counts_until_it_is_in_use_again(moves, left):
    assert set(rollbacks(history(*moves))) == left
