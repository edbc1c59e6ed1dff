"""Groups of images that must stay together: versions, frames and tiles of one source, and identical images. Pure.

Here too are the divisions that keep such groups whole: splitting off the validation split, and a share of the images.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median_low
from types import MappingProxyType

from tasks.images.source_names import Numbered, clip_name, numbered_name, source_name, tile_parents
from tasks.records import LabelledImage

VALIDATION_SHARE = 1 / 5
"""Share of train's source images that is split off when an export has no valid split."""
RUNS_OF_A_SEQUENCE = 10
"""Minimum number of runs that images with numbered names are divided into."""


def split_off_validation(images: Sequence[LabelledImage]) -> tuple[LabelledImage, ...] | None:
    """Move a fifth of train's source images to valid, always the same ones.

    A source moves as a whole, with its augmented copies, identical images, its tiles and the frames of its clip. Of
    names that differ in a number at the end, neighbours move together, since they may be frames of one video. Sources
    with and without boxes are divided separately, so that both splits have boxes.

    Returns:
        All images, some of them moved; None if fewer than two sources have boxes.
    """
    train = [image for image in images if image.split == "train"]
    moved_names = _names_of_share(_groups(train, _runs(train)), VALIDATION_SHARE)
    if not any(image.boxes and image.file_name not in moved_names for image in train):
        return None
    return tuple(
        image.model_copy(update={"split": "valid"})
        if image.split == "train" and image.file_name in moved_names
        else image
        for image in images
    )


def names_of_share(images: Sequence[LabelledImage], share: float) -> set[str]:
    """File names of the images in a share of the sources.

    Sources are ordered, so that a smaller share is part of a larger one. Sources with and without boxes are divided
    separately, and at least one with boxes is taken.
    """
    return _names_of_share(_groups(images), share)


def _names_of_share(groups: Sequence[Sequence[LabelledImage]], share: float) -> set[str]:
    labelled = [group for group in groups if _has_boxes(group)]
    background = [group for group in groups if not _has_boxes(group)]
    chosen = labelled[: max(1, round(len(labelled) * share))] + background[: round(len(background) * share)]
    return {image.file_name for group in chosen for image in group}


def _has_boxes(group: Iterable[LabelledImage]) -> bool:
    return any(image.boxes for image in group)


def _runs(images: Sequence[LabelledImage]) -> dict[str, Numbered]:
    """Runs of neighbours among images with numbered names, by file name."""
    names = {image.file_name: numbered for image in images if (numbered := numbered_name(image.file_name))}
    numbers: dict[str, set[int]] = defaultdict(set)
    for prefix, number in names.values():
        numbers[prefix].add(number)
    lengths = {prefix: _run_length(of_prefix) for prefix, of_prefix in numbers.items()}
    return {
        file_name: Numbered(one.prefix, one.number // length)
        for file_name, one in names.items()
        if (length := lengths[one.prefix]) is not None
    }


def _run_length(numbers: Collection[int]) -> int | None:
    """How far the numbers of a run reach: a tenth of the images or less, in a power of two of the usual step.

    So images that are added later seldom change it. None for so few images that each stands alone.
    """
    if len(numbers) < 2 * RUNS_OF_A_SEQUENCE:
        return None
    step = median_low(after - before for before, after in pairwise(sorted(numbers)))
    return step << (len(numbers) // RUNS_OF_A_SEQUENCE).bit_length() - 1


def _groups(
    images: Sequence[LabelledImage], runs: Mapping[str, Numbered] = MappingProxyType({})
) -> list[list[LabelledImage]]:
    """Images that share a clip, a source, a tiled image, a run or their bytes.

    Returns:
        The groups, ordered by the SHA-256 of each group's lowest source name.
    """
    tiles = tile_parents(image.file_name for image in images)
    parents: dict[str, str] = {}

    def root(key: str) -> str:
        while parents.setdefault(key, key) != key:
            key = parents[key]
        return key

    for image in images:
        name = image.file_name
        keys = [f"bytes {image.sha256}", f"name {clip_name(name)}"]
        keys += [f"tiles {tiles[name]}"] if name in tiles else []
        keys += [f"run {runs[name]}"] if name in runs else []
        for key in keys[1:]:
            lower, higher = sorted((root(key), root(keys[0])))
            parents[lower] = higher
    groups: dict[str, list[LabelledImage]] = defaultdict(list)
    for image in images:
        groups[root(f"bytes {image.sha256}")].append(image)
    return sorted(groups.values(), key=_order)


def _order(group: Sequence[LabelledImage]) -> str:
    return hashlib.sha256(min(source_name(image.file_name) for image in group).encode()).hexdigest()
