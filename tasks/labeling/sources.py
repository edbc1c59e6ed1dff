"""Which images come from the same source: leaks between splits, and divisions that must not leak. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from tasks.images.source_names import clip_name, source_name
from tasks.labeling.findings import Notes
from tasks.records import LabelledImage, Split

HELD_OUT = 5
"""One source image of so many goes to valid when an export has no valid split."""


def note_leaks(images: Sequence[LabelledImage], notes: Notes) -> None:
    """Count what is in more than one split: equal bytes, copies of one source, frames of one clip; and twins in one."""
    for same in _by(lambda image: image.sha256, images).values():
        splits = _splits(same)
        if len(splits) > 1:
            notes.add("leak-identical", _names(same))
        if len(same) > len(splits):
            notes.add("duplicate-images", _names(same), count=len(same) - len(splits))
    # Plain names such as 0001.jpg are used again for other images.
    copies = [image for image in images if ".rf." in image.file_name]
    frames = [image for image in images if clip_name(image.file_name) != source_name(image.file_name)]
    _note_groups("leak-source", _by(lambda image: source_name(image.file_name), copies), notes)
    _note_groups("leak-frames", _by(lambda image: clip_name(image.file_name), frames), notes)


def _by(key: Callable[[LabelledImage], str], images: Iterable[LabelledImage]) -> dict[str, list[LabelledImage]]:
    groups: dict[str, list[LabelledImage]] = defaultdict(list)
    for image in images:
        groups[key(image)].append(image)
    return groups


def _note_groups(code: str, groups: Mapping[str, list[LabelledImage]], notes: Notes) -> None:
    for name, images in groups.items():
        if len(_splits(images)) > 1:
            notes.add(code, f"{name} in {', '.join(sorted(_splits(images)))}")


def _splits(images: Iterable[LabelledImage]) -> set[Split]:
    return {image.split for image in images}


def _names(images: Sequence[LabelledImage]) -> str:
    return " = ".join(f"{image.split}/{image.file_name}" for image in images[:3])


def split_off_valid(images: Sequence[LabelledImage]) -> tuple[LabelledImage, ...] | None:
    """Move a fifth of train's source images to valid, the same ones every time.

    Sources go over whole, with their augmented copies, byte-identical twins, and the frames of one clip. Those with
    boxes and those without are dealt apart, so that both splits have boxes.

    Returns:
        All images, some of them moved; None if fewer than two sources have boxes.
    """
    train = [image for image in images if image.split == "train"]
    moved = names_of_share(train, 1 / HELD_OUT)
    if not any(image.boxes and image.file_name not in moved for image in train):
        return None
    return tuple(
        image.model_copy(update={"split": "valid"}) if image.split == "train" and image.file_name in moved else image
        for image in images
    )


def names_of_share(images: Sequence[LabelledImage], share: float) -> set[str]:
    """Names of the images of a share of the sources, those with and without boxes dealt apart.

    Sources come in one order, so that a smaller share is part of a larger one; one with boxes is always among them.
    """
    groups = _groups(images)
    labelled = [group for group in groups if _has_boxes(group)]
    empty = [group for group in groups if not _has_boxes(group)]
    chosen = labelled[: max(1, round(len(labelled) * share))] + empty[: round(len(empty) * share)]
    return {image.file_name for group in chosen for image in group}


def _has_boxes(group: Iterable[LabelledImage]) -> bool:
    return any(image.boxes for image in group)


def _groups(images: Sequence[LabelledImage]) -> list[list[LabelledImage]]:
    """Images by source and clip, twins together, ordered by the SHA-256 of each group's lowest source name."""
    parent: dict[str, str] = {}

    def find(key: str) -> str:
        while parent.setdefault(key, key) != key:
            key = parent[key]
        return key

    for image in images:
        pair = sorted((find(f"name {clip_name(image.file_name)}"), find(f"bytes {image.sha256}")))
        parent[pair[0]] = pair[1]
    groups: dict[str, list[LabelledImage]] = defaultdict(list)
    for image in images:
        groups[find(f"bytes {image.sha256}")].append(image)
    return sorted(groups.values(), key=_order)


def _order(group: Sequence[LabelledImage]) -> str:
    return hashlib.sha256(min(source_name(image.file_name) for image in group).encode()).hexdigest()
