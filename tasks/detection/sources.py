"""Images that are read when their turn comes, and names for them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from tasks.detection.preprocess import DecodedImage

Decode = Callable[[bytes], DecodedImage]


@dataclass(frozen=True)
class Source:
    """An image that is read when its turn comes."""

    name: str
    """Its path below what was named."""
    load: Callable[[Decode], DecodedImage]
    """Reads and decodes it; raises UnreadableImage."""


@dataclass(frozen=True)
class Sources:
    """Images in a stable order."""

    count: int
    """How many there are; of videos what they say, so it may not be exact."""
    images: Iterable[Source]
    others: int = 0
    """Files in folders that are neither images nor videos."""


class UniqueNames:
    """Gives each name once, whatever upper and lower case, so that all can be files of one folder.

    A second one of the same name gets a number. One that would need a folder where there is a file is made flat.
    """

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def give(self, name: str) -> str:
        """The name, or a similar one that was not given before."""
        if not self._parents(name).isdisjoint(self._files):
            name = name.replace("/", "_")
        path, candidate, number = PurePosixPath(name), name, 1
        while self._is_taken(candidate.casefold()):
            number += 1
            candidate = str(path.with_name(f"{path.stem}-{number}{path.suffix}"))
        self._files.add(candidate.casefold())
        self._folders |= self._parents(candidate)
        return candidate

    def _is_taken(self, name: str) -> bool:
        return name in self._files or name in self._folders

    @staticmethod
    def _parents(name: str) -> set[str]:
        return {str(parent) for parent in PurePosixPath(name.casefold()).parents}
