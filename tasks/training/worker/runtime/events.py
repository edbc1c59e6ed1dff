"""Writing the trainer's events: JSON lines on a descriptor or file of their own, not stdout."""

import threading
from pathlib import Path
from typing import TextIO

from tasks.training.contract.events import TrainerEvent


class Events:
    """Writes events. Without a path they are dropped; a parent that is gone does not stop the trainer."""

    def __init__(self, path: Path | None) -> None:
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None
        self._lock = threading.Lock()  # the checkpointer's thread reports, too

    def report(self, event: TrainerEvent) -> None:
        """Write one event."""
        line = event.model_dump_json() + "\n"
        with self._lock:
            if self._file is None:
                return
            try:
                self._file.write(line)
                self._file.flush()
            except BrokenPipeError:
                self._file = None
