"""Waiting for a service that is away, the store, Roboflow or the Prefect server, and for room on a full disk.

How long and how often belongs here. What is an outage, and what a refusal, is decided where the request is made.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from tasks.errors import (
    DiskFull,
    NasflowError,
    RoboflowUnavailable,
    ServerUnavailable,
    StillUnavailable,
    StoreUnavailable,
)

logger = logging.getLogger(__name__)

R = TypeVar("R")

OUTAGES: dict[type[NasflowError], str] = {
    StoreUnavailable: "the store is away",
    RoboflowUnavailable: "Roboflow is away",
    ServerUnavailable: "the Prefect server is away",
    DiskFull: "the disk of this machine is full",
}
"""What waiting helps against, in words."""
LONGEST_FAILURE = 600.0
"""An attempt that takes more seconds than this got through at first: what ends it is another outage."""


@dataclass(frozen=True)
class Patience:
    """How long to wait.

    Attributes:
        limit: Seconds of waiting in all; the attempts themselves do not count.
        first_pause: Seconds before the second attempt; each further pause is twice as long.
        longest_pause: Seconds that no pause exceeds.
    """

    limit: float = 3600
    first_pause: float = 2
    longest_pause: float = 300


AN_HOUR = Patience()


@dataclass
class _Outage:
    """The present outage, and what is left to wait."""

    left: float
    pause: float
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    def next_pause(self, longest: float) -> float:
        """The next pause, a bit longer or shorter than planned, so that not all workers come at the same moment."""
        seconds = min(self.pause * random.uniform(0.75, 1.25), longest, self.left)  # noqa: S311 no secret
        self.left -= seconds
        self.pause *= 2
        return seconds


def wait_out(
    call: Callable[[], R],
    meanwhile: str = "",
    patience: Patience = AN_HOUR,
    sleep: Callable[[float], None] = time.sleep,
) -> R:
    """Call a function until no outage ends it, and log what is waited for.

    Args:
        call: May be called several times; finished work must not be done again.
        meanwhile: What happens meanwhile, for the log, such as "training goes on".
        patience: How long to wait.
        sleep: Waits for a number of seconds; what it raises ends the waiting.

    Returns:
        What the function returns.

    Raises:
        StillUnavailable: it lasted for the whole time.
        NasflowError: whatever else the function raises.
    """
    outage = None
    while True:
        began = time.monotonic()
        try:
            return call()
        except tuple(OUTAGES) as error:
            if outage is None:
                outage = _Outage(patience.limit, patience.first_pause)
            elif time.monotonic() - began > LONGEST_FAILURE:
                outage = _Outage(outage.left, patience.first_pause)
            if outage.left <= 0:
                waited = f"waited {patience.limit / 60:.0f} min for it in all"
                raise StillUnavailable(f"{error}; {waited}, start the run again when that is over") from None
            pause = outage.next_pause(patience.longest_pause)
            logger.warning(
                "%s since %s UTC; trying again in %.0f s, and for %.0f min more%s: %s",
                OUTAGES[type(error)], outage.since.strftime("%H:%M"), pause, outage.left / 60,
                f"; {meanwhile}" if meanwhile else "", error,
            )  # fmt: skip
        sleep(pause)
