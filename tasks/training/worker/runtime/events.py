"""The events that the trainer reports to its parent: JSON lines on a descriptor or file of their own, not stdout.

An event has ``event``, ``time`` (seconds since 1970) and the fields of its kind: plan, started, step, epoch,
checkpoint, detect, log, finished, error.
"""

import threading
import time
from pathlib import Path
from typing import Any, TextIO

from tasks.records import as_line


class Events:
    """Writes events. Without a path they are dropped; a parent that is gone does not stop the trainer."""

    def __init__(self, path: Path | None) -> None:
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None
        self._lock = threading.Lock()  # the checkpointer's thread reports, too

    def report(self, event: str, **fields: Any) -> None:
        """Write one event."""
        line = as_line({"event": event, "time": round(time.time(), 3), **fields}) + "\n"
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.write(line)
                self._file.flush()
            except BrokenPipeError:
                self._file = None
