"""What changed from one snapshot of labels to another, and what that means for the next training. Pure."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from tasks.images.source_names import source_name
from tasks.records import BoxesOfClass, DatasetSnapshot, ImageChanges, LabelledImage, SnapshotDifference

MAX_EXAMPLES = 5
SAME_PLACE = 0.005
"""Share of the image's side within which a corner counts as not moved: rounding, and another export size."""


def difference(before: DatasetSnapshot, after: DatasetSnapshot) -> SnapshotDifference:
    """Compare two snapshots: classes by name, images by content, or by the name before ``.rf.``, boxes by class.

    A version of Roboflow's with another size or other augmentation has other files: those images count as encoded
    again, and their boxes are compared in parts of the image.
    """
    pairs, removed, added = _paired(before.images, after.images)
    relabelled = [new for old, new in pairs if not _same_boxes(old, before.classes, new, after.classes)]
    moved = [new for old, new in pairs if old.split != new.split]
    again = [new for old, new in pairs if old.sha256 != new.sha256]
    return SnapshotDifference(
        before_digest=before.digest,
        after_digest=after.digest,
        classes_added=tuple(name for name in after.classes if name not in before.classes),
        classes_removed=tuple(name for name in before.classes if name not in after.classes),
        classes_reordered=_common(before.classes, after.classes) != _common(after.classes, before.classes),
        images_added=_changes(added),
        images_removed=_changes(removed),
        images_relabelled=_changes(relabelled),
        images_moved=_changes(moved),
        images_encoded_again=_changes(again),
        boxes=_boxes(before, after),
    )


def in_words(changes: SnapshotDifference) -> str:
    """What changed, in a phrase."""
    images = [f"{found.count} {what}" for what, found in changes.changes.items() if found.count]
    classes = [
        f"classes {what}: {', '.join(names)}"
        for what, names in (("added", changes.classes_added), ("removed", changes.classes_removed))
        if names
    ]
    return "; ".join([*classes, *([f"images {', '.join(images)}"] if images else [])]) or "no label changed"


def in_order(snapshot: DatasetSnapshot, classes: Sequence[str]) -> DatasetSnapshot:
    """The snapshot with its classes in another order; boxes keep their class by name.

    Args:
        snapshot: Of the same set of classes.
        classes: The order wanted.
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


def _common(names: Sequence[str], others: Sequence[str]) -> list[str]:
    return [name for name in names if name in others]


Pair = tuple[LabelledImage, LabelledImage]


def _paired(
    before: Iterable[LabelledImage], after: Iterable[LabelledImage]
) -> tuple[list[Pair], list[LabelledImage], list[LabelledImage]]:
    """Images of both, then those that only the first has, and those that only the second has."""
    pairs, left, right = _match(before, after, lambda image: (image.sha256, image.file_name, image.split))
    for key in (_by_content, _by_name):
        more, left, right = _match(left, right, key)
        pairs += more
    return pairs, left, right


def _by_content(image: LabelledImage) -> tuple[str, ...]:
    return (image.sha256,)


def _by_name(image: LabelledImage) -> tuple[str, ...]:
    return (source_name(image.file_name),)


def _match(
    left: Iterable[LabelledImage], right: Iterable[LabelledImage], key: Callable[[LabelledImage], tuple[str, ...]]
) -> tuple[list[Pair], list[LabelledImage], list[LabelledImage]]:
    """Pairs with one key, and what is left on either side."""
    waiting: dict[tuple[str, ...], list[LabelledImage]] = defaultdict(list)
    for image in left:
        waiting[key(image)].append(image)
    pairs, rest = [], []
    for image in right:
        if waiting[key(image)]:
            pairs.append((waiting[key(image)].pop(0), image))
        else:
            rest.append(image)
    return pairs, [image for images in waiting.values() for image in images], rest


def _same_boxes(old: LabelledImage, old_classes: Sequence[str], new: LabelledImage, new_classes: Sequence[str]) -> bool:
    ours, theirs = _placed(old, old_classes), _placed(new, new_classes)
    for name, corners in ours:
        same = next((other for other in theirs if other[0] == name and _close(corners, other[1])), None)
        if same is None:
            return False
        theirs.remove(same)
    return not theirs


Placed = tuple[str, tuple[float, ...]]
"""Class name, and corners in parts of the image."""


def _placed(image: LabelledImage, classes: Sequence[str]) -> list[Placed]:
    sides = (image.width, image.height, image.width, image.height)
    return [
        (classes[box.class_index], tuple(value / side for value, side in zip(box[1:], sides, strict=True)))
        for box in image.boxes
    ]


def _close(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return all(abs(a - b) <= SAME_PLACE for a, b in zip(one, other, strict=True))


def _changes(images: Sequence[LabelledImage]) -> ImageChanges:
    names = tuple(f"{image.split}/{image.file_name}" for image in images[:MAX_EXAMPLES])
    return ImageChanges(count=len(images), examples=names)


def _boxes(before: DatasetSnapshot, after: DatasetSnapshot) -> dict[str, BoxesOfClass]:
    counts = [_counted(snapshot) for snapshot in (before, after)]
    names = dict.fromkeys((*before.classes, *after.classes))
    return {name: BoxesOfClass(before=counts[0][name], after=counts[1][name]) for name in names}


def _counted(snapshot: DatasetSnapshot) -> Mapping[str, int]:
    return Counter(snapshot.classes[box.class_index] for image in snapshot.images for box in image.boxes)
