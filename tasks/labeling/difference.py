"""What changed from one snapshot to another, and bringing classes into another order. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from tasks.images.source_names import source_name
from tasks.records import BoxesOfClass, DatasetSnapshot, ImageChanges, LabelledImage, SnapshotDifference

MAX_EXAMPLES = 5
MAX_SHIFT = 0.005
"""Fraction of the image's side by which a corner may move and count as unchanged: rounding, another export size."""


def difference(before: DatasetSnapshot, after: DatasetSnapshot) -> SnapshotDifference:
    """Compare two snapshots: classes by name, images by content or else by the name before ``.rf.``, boxes by class.

    A Roboflow version with another image size or augmentation has other files. Those images count as encoded again, and
    their boxes are compared as fractions of the image.
    """
    pairs, removed, added = _pair_images(before.images, after.images)
    relabelled = [
        new for old, new in pairs if not _same_boxes(_fractions(old, before.classes), _fractions(new, after.classes))
    ]
    moved = [new for old, new in pairs if old.split != new.split]
    encoded_again = [new for old, new in pairs if old.sha256 != new.sha256]
    return SnapshotDifference(
        before_digest=before.digest,
        after_digest=after.digest,
        classes_added=tuple(name for name in after.classes if name not in before.classes),
        classes_removed=tuple(name for name in before.classes if name not in after.classes),
        classes_reordered=_in_both(before.classes, after.classes) != _in_both(after.classes, before.classes),
        images_added=_changes(added),
        images_removed=_changes(removed),
        images_relabelled=_changes(relabelled),
        images_moved=_changes(moved),
        images_encoded_again=_changes(encoded_again),
        boxes=_box_counts(before, after),
    )


def in_words(changes: SnapshotDifference) -> str:
    """The changes as a phrase of one line."""
    images = [f"{change.count} {what}" for what, change in changes.changes.items() if change.count]
    classes = [
        f"classes {what}: {', '.join(names)}"
        for what, names in (("added", changes.classes_added), ("removed", changes.classes_removed))
        if names
    ]
    return "; ".join([*classes, *([f"images {', '.join(images)}"] if images else [])]) or "no label changed"


def in_order(snapshot: DatasetSnapshot, classes: Sequence[str]) -> DatasetSnapshot:
    """The snapshot with its classes in another order; every box keeps its class.

    Args:
        snapshot: A snapshot, which is returned unchanged if it has other classes.
        classes: Class names in the wanted order.

    Returns:
        The reordered snapshot.
    """
    if tuple(classes) == snapshot.classes or set(classes) != set(snapshot.classes):
        return snapshot
    index = [classes.index(name) for name in snapshot.classes]
    images = tuple(
        image.model_copy(
            update={"boxes": tuple(box._replace(class_index=index[box.class_index]) for box in image.boxes)}
        )
        for image in snapshot.images
    )
    return snapshot.model_copy(update={"classes": tuple(classes), "images": images})


def _in_both(names: Sequence[str], other_names: Sequence[str]) -> list[str]:
    return [name for name in names if name in other_names]


Pair = tuple[LabelledImage, LabelledImage]


def _pair_images(
    before: Iterable[LabelledImage], after: Iterable[LabelledImage]
) -> tuple[list[Pair], list[LabelledImage], list[LabelledImage]]:
    """Pairs of the same image, then images only in the first snapshot, then images only in the second."""
    pairs, removed, added = _match(before, after, lambda image: (image.sha256, image.file_name, image.split))
    for key in (_by_content, _by_name):
        more, removed, added = _match(removed, added, key)
        pairs += more
    return pairs, removed, added


def _by_content(image: LabelledImage) -> tuple[str, ...]:
    return (image.sha256,)


def _by_name(image: LabelledImage) -> tuple[str, ...]:
    return (source_name(image.file_name),)


def _match(
    before: Iterable[LabelledImage], after: Iterable[LabelledImage], key: Callable[[LabelledImage], tuple[str, ...]]
) -> tuple[list[Pair], list[LabelledImage], list[LabelledImage]]:
    """Pairs with equal keys, and the images that remain on either side."""
    unmatched: dict[tuple[str, ...], list[LabelledImage]] = defaultdict(list)
    for image in before:
        unmatched[key(image)].append(image)
    pairs, added = [], []
    for image in after:
        if unmatched[key(image)]:
            pairs.append((unmatched[key(image)].pop(0), image))
        else:
            added.append(image)
    return pairs, [image for images in unmatched.values() for image in images], added


class _FractionalBox(NamedTuple):
    """A box with corners in fractions of the image's width and height."""

    class_name: str
    corners: tuple[float, ...]


def _fractions(image: LabelledImage, classes: Sequence[str]) -> list[_FractionalBox]:
    sides = (image.width, image.height, image.width, image.height)
    return [
        _FractionalBox(
            classes[box.class_index], tuple(value / side for value, side in zip(box[1:], sides, strict=True))
        )
        for box in image.boxes
    ]


def _same_boxes(before: Sequence[_FractionalBox], after: list[_FractionalBox]) -> bool:
    unmatched = list(after)
    for box in before:
        match = next((candidate for candidate in unmatched if _same_box(box, candidate)), None)
        if match is None:
            return False
        unmatched.remove(match)
    return not unmatched


def _same_box(before: _FractionalBox, after: _FractionalBox) -> bool:
    return before.class_name == after.class_name and all(
        abs(a - b) <= MAX_SHIFT for a, b in zip(before.corners, after.corners, strict=True)
    )


def _changes(images: Sequence[LabelledImage]) -> ImageChanges:
    names = tuple(f"{image.split}/{image.file_name}" for image in images[:MAX_EXAMPLES])
    return ImageChanges(count=len(images), examples=names)


def _box_counts(before: DatasetSnapshot, after: DatasetSnapshot) -> dict[str, BoxesOfClass]:
    counts_before, counts_after = _boxes_by_class(before), _boxes_by_class(after)
    names = dict.fromkeys((*before.classes, *after.classes))
    return {name: BoxesOfClass(before=counts_before[name], after=counts_after[name]) for name in names}


def _boxes_by_class(snapshot: DatasetSnapshot) -> Mapping[str, int]:
    return Counter(snapshot.classes[box.class_index] for image in snapshot.images for box in image.boxes)
