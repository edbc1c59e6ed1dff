"""A file whose content is verified while it is sent. Nothing here knows the store."""

import hashlib
import io
import os
from typing import IO

from tasks.errors import StoreError
from tasks.records import StoredFile


class UnchangedFile(io.RawIOBase):
    """A file to send, which fails before it returns its last byte if the content is not the expected one.

    So a file that changes while it is read never becomes an object, not even for a moment. s3transfer reads it once,
    from start to end; before that it finds out the size by seeking to the end.

    Args:
        file: The open file, at its start.
        expected: Size and SHA-256 that it must have.
    """

    def __init__(self, file: IO[bytes], expected: StoredFile) -> None:
        super().__init__()
        self._file = file
        self._expected = expected
        self._hash = hashlib.sha256()
        self._position = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """For finding the size only."""
        return True

    def tell(self) -> int:
        """The position: bytes read so far, or where ``seek`` moved it."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position only, not the file's own; the end is at the expected size."""
        self._position = offset + (self._expected.size if whence == os.SEEK_END else 0)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """The next ``size`` bytes, or all that remain.

        Raises:
            StoreError: the content is not the expected one.
        """
        remaining = self._expected.size - self._position
        requested = remaining if size < 0 else min(size, remaining)
        data = self._file.read(requested)
        self._hash.update(data)
        self._position += len(data)
        at_end = self._position == self._expected.size
        if len(data) < requested or (at_end and self._hash.hexdigest() != self._expected.sha256):
            raise StoreError(
                f"upload to {self._expected.key}: the file was changed while it was read; "
                "upload it again when it is written, under a new name and renamed"
            )
        return data
