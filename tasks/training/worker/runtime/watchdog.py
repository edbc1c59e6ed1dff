"""Ends a trainer that makes no step any more, and says where each of its threads is.

Python's faulthandler does it, from a thread without Python in it: whatever holds the interpreter does not hold it up.
"""

import faulthandler
import sys


class Watchdog:
    """Barks unless patted every ``seconds``: writes all threads' stacks to stderr, and ends the process with 1.

    The first line of what it writes begins with ``Timeout (``. None switches it off.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self.heartbeat()

    def heartbeat(self) -> None:
        """All is well: wait anew."""
        if self._seconds is not None:
            faulthandler.dump_traceback_later(self._seconds, exit=True, file=sys.__stderr__ or 2)

    def rest(self) -> None:
        """Nothing more is to be watched."""
        faulthandler.cancel_dump_traceback_later()
