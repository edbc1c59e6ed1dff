"""A file that has come in part, and what its server calls the state that the part is of."""

import os
from collections.abc import Mapping
from pathlib import Path

from tasks.local.files import publish_bytes


class PartialFile:
    """A hidden file beside the one that it will become.

    Args:
        path: The file that it will become.
    """

    def __init__(self, path: Path) -> None:
        self._target = path
        self.path = path.with_name(f".{path.name}.part")
        self._validator = path.with_name(f".{path.name}.part.validator")

    @property
    def size(self) -> int:
        """Bytes that have come."""
        return self.path.stat().st_size if self.path.exists() else 0

    def range_headers(self) -> dict[str, str]:
        """Headers that ask for the rest, or for all of it if the file is another by now; empty if nothing has come."""
        validator = self._read_validator()
        return {"Range": f"bytes={self.size}-", "If-Range": validator} if self.size and validator else {}

    def begin(self, headers: Mapping[str, str]) -> None:
        """Begin anew. A file whose state the server does not name is never asked for in parts."""
        self.forget()
        validator = headers.get("ETag", "")
        if not validator or validator.startswith("W/"):  # other bytes may have the same weak one
            validator = headers.get("Last-Modified", "")
        if validator:
            publish_bytes(self._validator, validator.encode())

    def is_continued_by(self, headers: Mapping[str, str]) -> bool:
        """Whether an answer begins where this ends, and is about the same state of the file, if it says so."""
        begins = headers.get("Content-Range", "").startswith(f"bytes {self.size}-")
        states = [headers[name] for name in ("ETag", "Last-Modified") if name in headers]
        return begins and (not states or self._read_validator() in states)

    def forget(self) -> None:
        """Remove it."""
        self.path.unlink(missing_ok=True)
        self._validator.unlink(missing_ok=True)

    def publish(self) -> None:
        """Make it the file."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self._target)
        self._validator.unlink(missing_ok=True)

    def _read_validator(self) -> str:
        return self._validator.read_text() if self._validator.exists() else ""
