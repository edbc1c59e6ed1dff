"""Pictures that look the same, by the difference hashes of their looks. Pure."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from tasks.labeling.findings import Notes
from tasks.labeling.sources import clip_name
from tasks.records import LabelledImage

MOST_BITS = 3
"""Bits that two of 64 may differ in: of 300 real pictures at other sizes and JPEG qualities 98 % differ in no more."""
CHUNKS = 4
"""Of 16 bits each: of two hashes that differ in three bits at least one chunk is the same."""
LEAST_STRUCTURE = 8
"""Bits that must be set, and unset, for a hash to tell anything: plain skies are all alike."""


def note_alike(images: Sequence[LabelledImage], looks: Mapping[str, int], notes: Notes) -> None:
    """Count pictures that look the same as one in another split, but for those that the same bytes or names tell of.

    Args:
        images: All pictures.
        looks: Difference hash by SHA-256.
        notes: Told of them.
    """
    telling = [image for image in images if LEAST_STRUCTURE <= looks[image.sha256].bit_count() <= 64 - LEAST_STRUCTURE]
    seen: set[tuple[str, str]] = set()
    for one, other in _candidates(telling, looks):
        pair = (one.split + one.file_name, other.split + other.file_name)
        if pair not in seen and (looks[one.sha256] ^ looks[other.sha256]).bit_count() <= MOST_BITS:
            seen.add(pair)
            notes.add("leak-alike", f"{one.split}/{one.file_name} = {other.split}/{other.file_name}")


def _candidates(
    images: Sequence[LabelledImage], looks: Mapping[str, int]
) -> Iterator[tuple[LabelledImage, LabelledImage]]:
    """Pairs across splits that share a chunk of their hashes."""
    for chunk in range(CHUNKS):
        groups: dict[int, list[LabelledImage]] = defaultdict(list)
        for image in images:
            groups[looks[image.sha256] >> 16 * chunk & 0xFFFF].append(image)
        for group in groups.values():
            yield from _across(group)


def _across(group: Sequence[LabelledImage]) -> Iterator[tuple[LabelledImage, LabelledImage]]:
    trained = [image for image in group if image.split == "train"]
    for other in group:
        if other.split == "train":
            continue
        for one in trained:
            if one.sha256 != other.sha256 and clip_name(one.file_name) != clip_name(other.file_name):
                yield one, other
