"""Counts and sizes of what was found or removed, by kind. Pure."""

import re
from collections.abc import Iterable
from datetime import datetime

from tasks.housekeeping.contents import SHA256
from tasks.records import Amount
from tasks.storage.s3_objects import Entry

UPLOADS = "unfinished uploads"
KINDS = {
    "images and exports": r"datasets/blobs/",
    "snapshots": r"datasets/snapshots/",
    "published weights": r"pretrained/",
    "checkpoints": rf"runs/{SHA256}/checkpoints/",
    "evaluations": rf"runs/{SHA256}/(detections/|report)",
    "runs": r"runs/",
    "probes": r"probe/",
}
"""Beginnings of keys; the first that fits is the kind. Of a run: its specification, state, history and weights."""


class Tally:
    """Adds up objects by kind."""

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._counts: dict[str, list[tuple[int, datetime]]] = {kind: [] for kind in (*KINDS, UPLOADS)}
        self.add(entries)

    @property
    def objects(self) -> int:
        """How many objects there are of all kinds."""
        return sum(len(found) for found in self._counts.values())

    def add(self, entries: Iterable[Entry]) -> None:
        """Add objects."""
        for entry in entries:
            kind = next(kind for kind, beginning in KINDS.items() if re.match(beginning, entry.key))
            self._counts[kind].append((entry.size, entry.modified))

    def add_upload(self, size: int, begun: datetime) -> None:
        """Add an unfinished upload."""
        self._counts[UPLOADS].append((size, begun))

    def by_kind(self) -> dict[str, Amount]:
        """The amount of each kind."""
        return {kind: _amount(found) for kind, found in self._counts.items()}

    def total(self) -> Amount:
        """The amount of all kinds together."""
        return _amount([one for found in self._counts.values() for one in found])


def _amount(found: list[tuple[int, datetime]]) -> Amount:
    oldest = min((modified for _, modified in found), default=None)
    return Amount(objects=len(found), size=sum(size for size, _ in found), oldest=oldest)
