"""For each candidate the nearest image that was seen or chosen, by difference hashes. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.images.difference_hash import MAX_BITS, has_structure
from tasks.records import LeftOutReason

ALL_BITS = 64
UNRELATED_BITS = 32
"""Of 64 bits, how many differ in images that have nothing in common: half of them, on average."""


class Known(NamedTuple):
    """An image that was seen or chosen."""

    image: str
    """Its name."""
    reason: LeftOutReason
    """Why its near duplicates are left out."""


class Nearest:
    """For each candidate the nearest image so far, and how far it is.

    Images without structure are not compared, since their hashes say nothing: to them nothing is near, and nothing is
    unlike them.
    """

    def __init__(self, hashes: Sequence[int]) -> None:
        self._hashes = np.array(hashes, dtype=np.uint64)
        self._comparable = np.array([has_structure(one) for one in hashes], dtype=bool)
        self._bits = np.full(len(hashes), ALL_BITS + 1, dtype=np.int64)
        self._known: list[Known] = []
        self._nearest = np.full(len(hashes), -1, dtype=np.int64)

    def add(self, known: Known, image_hash: int) -> None:
        """Take an image into account.

        Args:
            known: The image.
            image_hash: Its difference hash.
        """
        if not has_structure(image_hash):
            return
        bits = np.bitwise_count(self._hashes ^ np.uint64(image_hash)).astype(np.int64)
        nearer = bits < self._bits
        self._bits[nearer] = bits[nearer]
        self._nearest[nearer] = len(self._known)
        self._known.append(known)

    def bits(self, index: int) -> int | None:
        """In how many bits a candidate differs from the nearest image.

        Args:
            index: Place of the candidate.

        Returns:
            Of 64; None if the candidate cannot be compared, or there is nothing to compare it with.
        """
        return int(self._bits[index]) if self._comparable[index] and self._nearest[index] >= 0 else None

    def unlikeness(self) -> NDArray[np.float64]:
        """How unlike each candidate is to the nearest image: 1 from half of the bits on, 0 if it cannot be compared."""
        unlike: NDArray[np.float64] = np.minimum(self._bits, UNRELATED_BITS) / UNRELATED_BITS
        return np.where(self._comparable, unlike, 0.0)

    def duplicates(self) -> dict[int, Known]:
        """By their place, the candidates that are near duplicates, and the image that each is one of."""
        places = np.flatnonzero(self._comparable & (self._bits <= MAX_BITS))
        return {int(index): self._known[self._nearest[index]] for index in places}
