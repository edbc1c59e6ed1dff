"""Images that look the same, by the difference hashes of their looks. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.images.source_names import clip_name
from tasks.labeling.findings import Notes
from tasks.records import SPLITS, LabelledImage

MAX_BITS = 3
"""Bits that two of 64 may differ in: of 300 real images at other sizes and JPEG qualities 98 % differ in no more."""
MIN_STRUCTURE = 8
"""Bits that must be set, and unset, for a hash to tell anything: plain skies are all alike."""


def note_near_duplicates(images: Sequence[LabelledImage], looks: Mapping[str, int], notes: Notes) -> None:
    """Count images that look the same as one in an earlier split, where neither bytes nor names tell of it already.

    Each is compared with all, 64 bits at a time: two seconds for 20,000 beside 80,000, even where all are alike.

    Args:
        images: All images.
        looks: Difference hash by SHA-256.
        notes: Told of them.
    """
    telling = [image for image in images if MIN_STRUCTURE <= looks[image.sha256].bit_count() <= 64 - MIN_STRUCTURE]
    by_split = {split: [image for image in telling if image.split == split] for split in SPLITS}
    earlier: list[LabelledImage] = []
    for split in SPLITS:
        _note_split(earlier, by_split[split], looks, notes)
        earlier += by_split[split]


def _note_split(
    earlier: Sequence[LabelledImage], images: Sequence[LabelledImage], looks: Mapping[str, int], notes: Notes
) -> None:
    bits = np.array([looks[image.sha256] for image in earlier], dtype=np.uint64)
    clips, contents = (_numbered([key(image) for image in [*earlier, *images]]) for key in (_clip, _content))
    for place, image in enumerate(images, start=len(earlier)):
        alike = np.bitwise_count(bits ^ np.uint64(looks[image.sha256])) <= MAX_BITS
        alike &= (clips[: len(earlier)] != clips[place]) & (contents[: len(earlier)] != contents[place])
        if alike.any():
            one = earlier[int(alike.argmax())]
            notes.add("leak-near-duplicate", f"{one.split}/{one.file_name} = {image.split}/{image.file_name}")


def _clip(image: LabelledImage) -> str:
    return clip_name(image.file_name)


def _content(image: LabelledImage) -> str:
    return image.sha256


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    """A number for each name, the same for equal ones."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
