"""What file names tell about images: versions of one source image, frames of one clip, tiles of one image."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import NamedTuple

from tasks.images.file_kinds import IMAGE_SUFFIXES

_FRAME = re.compile(r"(?P<clip>.+_(?:mp4|mov|avi|mkv|webm|m4v|mpg|mpeg|wmv))-\d+", re.IGNORECASE)
_NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>\d+)", re.DOTALL)
_POSITION = re.compile(
    r"[_.-](?:[a-z]{1,4}[_-]?)?(?P<row>\d+)(?:[a-z]|[_.-](?:[a-z]{1,4}[_-]?)?)(?P<column>\d+)\Z", re.IGNORECASE
)
"""Two numbers at the end, as in ``field_512_1024``, ``field_r1_c2`` or ``field-x0y512``."""

MIN_TILED = 10
"""With fewer parents of tiles, names of another kind, such as a class and two numbers, look the same."""


class Numbered(NamedTuple):
    """A name that ends in a number."""

    prefix: str
    number: int


def source_name(file_name: str) -> str:
    """Name of the source image: what precedes Roboflow's ``.rf.<hash>``, which all augmented copies share."""
    stem, separator, _ = file_name.rpartition(".rf.")
    return stem if separator else file_name


def clip_name(file_name: str) -> str:
    """Name of the video of a frame as Roboflow names frames (``cows_mp4-0007``); else that of the source image."""
    source = source_name(file_name)
    return frame["clip"] if (frame := _FRAME.match(source)) else source


def numbered_name(file_name: str) -> Numbered | None:
    """What precedes the number at the end of a source image's name, and the number; None if it ends in none."""
    match = _NUMBERED.fullmatch(_stem(file_name))
    return Numbered(match["prefix"], int(match["number"])) if match else None


def tile_parents(file_names: Iterable[str]) -> dict[str, str]:
    """Images of which others are tiles: names without the position, for those that are surely tiles.

    Two numbers at the end may be anything, such as a date and a time. They are a position where there are many parents,
    and most positions of one are those of another, too.

    Args:
        file_names: Names of all images.

    Returns:
        The parent's name by the file name of each tile.
    """
    tiles: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
    for name in file_names:
        stem = _stem(name)
        if stem[-1:].isdigit() and (match := _POSITION.search(stem)):
            tiles[stem[: match.start()]][name] = int(match["row"]), int(match["column"])
    parents_with = Counter(position for positions in tiles.values() for position in set(positions.values()))
    parents = [
        parent
        for parent, positions in tiles.items()
        if len(set(positions.values())) > 1
        and 2 * sum(parents_with[position] > 1 for position in positions.values()) > len(positions)
    ]
    return {name: parent for parent in parents if len(parents) >= MIN_TILED for name in tiles[parent]}


def _stem(file_name: str) -> str:
    """Name of the source image without its suffix, which Roboflow writes as ``_jpg``."""
    source = source_name(file_name)
    if source == file_name:
        suffix = PurePosixPath(source).suffix
        return source.removesuffix(suffix) if suffix.lower() in IMAGE_SUFFIXES else source
    stem, _, suffix = source.rpartition("_")
    return stem if f".{suffix.lower()}" in IMAGE_SUFFIXES else source
