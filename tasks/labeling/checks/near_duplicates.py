"""Check for near duplicates: images in different splits that look the same, by their difference hashes. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.images.difference_hash import MAX_BITS, has_structure
from tasks.images.source_names import clip_name
from tasks.labeling.findings import FindingCounter
from tasks.records import SPLITS, LabelledImage


def check_near_duplicates(images: Sequence[LabelledImage], hashes: Mapping[str, int], findings: FindingCounter) -> None:
    """Count images that look the same as one in an earlier split, unless bytes or names show the leak already.

    All pairs are compared, 64 bits at a time: 20,000 images with 80,000 take two seconds.

    Args:
        images: All images.
        hashes: Difference hash by the SHA-256 of an image.
        findings: Counts the near duplicates.
    """
    comparable = [image for image in images if has_structure(hashes[image.sha256])]
    by_split = {split: [image for image in comparable if image.split == split] for split in SPLITS}
    earlier: list[LabelledImage] = []
    for split in SPLITS:
        _check_split(earlier, by_split[split], hashes, findings)
        earlier += by_split[split]


def _check_split(
    earlier: Sequence[LabelledImage],
    images: Sequence[LabelledImage],
    hashes: Mapping[str, int],
    findings: FindingCounter,
) -> None:
    earlier_hashes = np.array([hashes[image.sha256] for image in earlier], dtype=np.uint64)
    both = [*earlier, *images]
    clips = _numbered([clip_name(image.file_name) for image in both])
    contents = _numbered([image.sha256 for image in both])
    for position, image in enumerate(images, start=len(earlier)):
        similar = np.bitwise_count(earlier_hashes ^ np.uint64(hashes[image.sha256])) <= MAX_BITS
        similar &= (clips[: len(earlier)] != clips[position]) & (contents[: len(earlier)] != contents[position])
        if similar.any():
            original = earlier[int(similar.argmax())]
            findings.add(
                "leak-near-duplicate", f"{original.split}/{original.file_name} = {image.split}/{image.file_name}"
            )


def _numbered(names: Sequence[str]) -> NDArray[np.int64]:
    """A number for each name, the same for equal names."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
