"""Decoded images in a file on disk."""

import errno
import itertools
import math
import mmap
import os

import numpy as np

DISK_FULL_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Spool:
    """Decoded images in a file that is mapped into memory, so that all processes forked later share it.

    Args:
        file: Descriptor of an empty file without a name. The system deletes such a file when the last process that
            has it open ends, in whatever way.
        shapes: Height, width and channels of each image by its index.
    """

    def __init__(self, file: int, shapes: dict[int, tuple[int, int, int]]) -> None:
        self.full = False
        """Whether the disk had no room for an image."""
        self._file = file
        self._shapes = shapes
        starts = itertools.accumulate(map(math.prod, shapes.values()), initial=0)
        self._offsets = dict(zip(shapes, starts, strict=False))
        self._written: list[int] = []

    def write(self, index: int, image: np.ndarray) -> None:
        """Write one image at its place, or set ``full`` if there is no room; several threads may write at once."""
        rest, offset = image.data.cast("B"), self._offsets[index]
        try:
            # Not through the mapping: with a full disk that would end the process by a signal.
            while rest:
                written = os.pwrite(self._file, rest, offset)
                rest, offset = rest[written:], offset + written
        except OSError as error:
            if error.errno not in DISK_FULL_ERRORS:
                raise
            self.full = True
        else:
            self._written.append(index)

    def arrays(self) -> dict[int, np.ndarray]:
        """Map the file, and give the written images by index, read-only; of a full disk, half is given back first."""
        if self.full:  # another program fills the disk, and checkpoints need room, too
            os.ftruncate(self._file, os.fstat(self._file).st_size // 2)
        length = os.fstat(self._file).st_size
        complete = [index for index in sorted(self._written) if self._end(index) <= length]
        if not complete:
            return {}
        content = np.frombuffer(mmap.mmap(self._file, 0, access=mmap.ACCESS_READ), np.uint8)
        return {
            index: content[self._offsets[index] : self._end(index)].reshape(self._shapes[index]) for index in complete
        }

    def _end(self, index: int) -> int:
        return self._offsets[index] + math.prod(self._shapes[index])
