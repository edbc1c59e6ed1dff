"""Ends a trainer that makes no progress any more, with the stacks of all its threads.

Python's faulthandler does it from a thread of its own, so native code that holds the interpreter does not stop it.
"""

import faulthandler
import sys


class Watchdog:
    """Without a heartbeat for ``seconds``, writes all threads' stacks to stderr and ends the process with code 1.

    The first line that it writes begins with ``Timeout (``. None switches it off.
    """

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self.heartbeat()

    def heartbeat(self) -> None:
        """Start waiting anew."""
        if self._seconds is not None:
            faulthandler.dump_traceback_later(self._seconds, exit=True, file=sys.__stderr__ or 2)

    def stop(self) -> None:
        """Stop watching."""
        faulthandler.cancel_dump_traceback_later()
