"""How often a crashed flow run is started again, and after how long. What was decided is kept in the run's labels."""

from collections.abc import Mapping
from typing import NamedTuple

RESTART_DELAYS = (5, 60, 300)
"""Seconds before each new start of a run that made no progress since the one before. After these it is given up."""
STARTS, PROGRESS, GIVEN_UP = "nasflow.starts", "nasflow.progress", "nasflow.given-up"
"""Labels of a flow run: new starts without progress, progress at the last one, and its run count when given up."""


class Decision(NamedTuple):
    """What becomes of a crashed flow run."""

    delay: int | None
    """Seconds until it starts again; None if it is given up."""
    starts: int
    """New starts without progress, this one included."""


def decide(labels: Mapping[str, object], progress: int) -> Decision:
    """Decide whether a crashed flow run is started again.

    Args:
        labels: Labels of the flow run.
        progress: How far it is by now; any number that grows.

    Returns:
        The decision.
    """
    starts = int(str(labels.get(STARTS, 0)))
    if progress > int(str(labels.get(PROGRESS, -1))):
        starts = 0
    if starts >= len(RESTART_DELAYS):
        return Decision(None, starts)
    return Decision(RESTART_DELAYS[starts], starts + 1)
