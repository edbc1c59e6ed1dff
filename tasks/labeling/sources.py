"""Groups of images that must stay together: versions of one source image, identical images, frames of one clip. Pure.

Here too are the divisions that keep such groups whole: splitting off the validation split, and a share of the images.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence

from tasks.images.source_names import clip_name, source_name
from tasks.records import LabelledImage

VALIDATION_SHARE = 1 / 5
"""Share of train's source images that is split off when an export has no valid split."""


def split_off_validation(images: Sequence[LabelledImage]) -> tuple[LabelledImage, ...] | None:
    """Move a fifth of train's source images to valid, always the same ones.

    A source moves as a whole, with its augmented copies, identical images, and the frames of its clip. Sources with and
    without boxes are divided separately, so that both splits have boxes.

    Returns:
        All images, some of them moved; None if fewer than two sources have boxes.
    """
    train = [image for image in images if image.split == "train"]
    moved_names = names_of_share(train, VALIDATION_SHARE)
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
    groups = _groups(images)
    labelled = [group for group in groups if _has_boxes(group)]
    background = [group for group in groups if not _has_boxes(group)]
    chosen = labelled[: max(1, round(len(labelled) * share))] + background[: round(len(background) * share)]
    return {image.file_name for group in chosen for image in group}


def _has_boxes(group: Iterable[LabelledImage]) -> bool:
    return any(image.boxes for image in group)


def _groups(images: Sequence[LabelledImage]) -> list[list[LabelledImage]]:
    """Images that share a clip, a source or their bytes, ordered by the SHA-256 of each group's lowest source name."""
    parents: dict[str, str] = {}

    def root(key: str) -> str:
        while parents.setdefault(key, key) != key:
            key = parents[key]
        return key

    for image in images:
        lower, higher = sorted((root(f"name {clip_name(image.file_name)}"), root(f"bytes {image.sha256}")))
        parents[lower] = higher
    groups: dict[str, list[LabelledImage]] = defaultdict(list)
    for image in images:
        groups[root(f"bytes {image.sha256}")].append(image)
    return sorted(groups.values(), key=_order)


def _order(group: Sequence[LabelledImage]) -> str:
    return hashlib.sha256(min(source_name(image.file_name) for image in group).encode()).hexdigest()
