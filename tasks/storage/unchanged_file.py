"""A file that is watched while it is sent. Nothing here knows the store."""

import hashlib
import io
import os
from typing import IO

from tasks.errors import StoreError
from tasks.records import StoredFile


class UnchangedFile(io.RawIOBase):
    """A file being sent, that fails before its last byte is given out if the content is not the expected one.

    So a file that changes while it is read never becomes an object, not even for a moment. s3transfer reads it from
    start to end, once; it asks for the size by seeking to the end first.
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
        """Bytes given out, or where a search for the size has led."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move the position, not the file's own; the end is where it was when the file was first read."""
        self._position = offset + (self._expected.size if whence == os.SEEK_END else 0)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            StoreError: they are not what they were when the file was first read.
        """
        left = self._expected.size - self._position
        wanted = left if size < 0 else min(size, left)
        data = self._file.read(wanted)
        self._hash.update(data)
        self._position += len(data)
        whole = self._position == self._expected.size
        if len(data) < wanted or (whole and self._hash.hexdigest() != self._expected.sha256):
            raise StoreError(
                f"upload to {self._expected.key}: the file was changed while it was read; "
                "upload it again when it is written, under a new name and renamed"
            )
        return data
