"""From checked images to the frozen DatasetSnapshot. Pure."""

from collections import Counter
from collections.abc import Sequence

from tasks import metrics
from tasks.labeling.findings import FEW, Notes
from tasks.labeling.sources import note_leaks, split_off_valid
from tasks.records import SPLITS, DatasetSnapshot, LabelledImage, LabelSource, Split

IMBALANCE = 20


def make_snapshot(
    classes: tuple[str, ...], images: Sequence[LabelledImage], source: LabelSource, notes: Notes
) -> DatasetSnapshot | None:
    """Make a snapshot of what was read, with a valid split held out of train if there is none.

    Args:
        classes: Class names in order.
        images: All images that decode.
        source: Where they came from.
        notes: What was found so far; told the rest.

    Returns:
        The snapshot, or None if the notes have errors.
    """
    note_leaks(images, notes)
    images = _with_valid(images, notes)
    if not any(image.split == "test" for image in images):
        notes.add("no-test-split")
    _note_few(images, notes)
    _note_truth(classes, images, notes)
    _note_classes(classes, images, notes)
    if notes.has_errors:
        return None
    return DatasetSnapshot(
        classes=classes,
        images=tuple(sorted(images, key=lambda image: (image.split, image.file_name, image.sha256))),
        source=source,
        findings=notes.findings(),
        held_out=notes.count("no-valid-split"),
    )


def _with_valid(images: Sequence[LabelledImage], notes: Notes) -> Sequence[LabelledImage]:
    labelled = {image.split for image in images if image.boxes}
    if not any(image.split == "train" for image in images):
        notes.add("no-train-split")
    elif "train" not in labelled:
        if not notes.has_errors:  # which are why, and come first
            notes.add("no-train-boxes")
    elif "valid" not in labelled:
        divided = split_off_valid(images)
        if divided is None:
            notes.add("too-small-to-split")
            return images
        moved = [new.file_name for old, new in zip(images, divided, strict=True) if old.split != new.split]
        notes.add("no-valid-split", count=len(moved))
        return divided
    return images


def _note_few(images: Sequence[LabelledImage], notes: Notes) -> None:
    sizes = {split: sum(image.split == split for image in images) for split in SPLITS}
    for code in ("train-below-batch", "train-tiny"):
        if 0 < sizes["train"] < FEW[code]:
            notes.add(code, count=sizes["train"])
            break
    for split in ("valid", "test"):
        if 0 < sizes[split] < FEW["split-tiny"]:
            notes.add("split-tiny", f"{split}: {sizes[split]}")


def _note_truth(classes: tuple[str, ...], images: Sequence[LabelledImage], notes: Notes) -> None:
    """The boxes of a split, as if a model had found just these, must score 1: else scores would lie about models."""
    for split in ("valid", "test"):
        truth = metrics.coco_truth([image for image in images if image.split == split], classes)
        found = [{**box, "score": 1.0} for box in truth["annotations"]]
        if found and not metrics.Matches(truth, found).perfect:
            notes.add("truth-not-perfect", split)


def _note_classes(classes: tuple[str, ...], images: Sequence[LabelledImage], notes: Notes) -> None:
    seen: dict[Split, set[int]] = {
        split: {box.class_index for image in images if image.split == split for box in image.boxes}
        for split in SPLITS
        if any(image.split == split for image in images)
    }
    for index, name in enumerate(classes):
        where = [split for split, indices in seen.items() if index in indices]
        if not where:
            notes.add("class-unused", name)
        elif "train" not in where:
            notes.add("class-not-in-train", f"{name} (only in {', '.join(where)})")
        elif len(where) < len(seen):
            notes.add("class-not-in-every-split", f"{name} (only in {', '.join(where)})")
    _note_balance(classes, images, notes)


def _note_balance(classes: tuple[str, ...], images: Sequence[LabelledImage], notes: Notes) -> None:
    """Classes that train has few boxes of, at all or beside the most frequent one."""
    counts = Counter(box.class_index for image in images if image.split == "train" for box in image.boxes)
    most = max(counts.values(), default=0)
    for index, name in enumerate(classes):
        if 0 < counts[index] < FEW["class-rare"]:
            notes.add("class-rare", f"{name}: {counts[index]}")
        if 0 < counts[index] * IMBALANCE < most:
            notes.add("class-imbalance", f"{name}: {counts[index]} of {most}")
