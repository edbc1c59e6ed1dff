"""Checks of classes: whose names are alike, which can be learned and measured, and which are rare. Pure."""

import shlex
from collections import Counter, defaultdict
from collections.abc import Sequence

from tasks.labeling.annotations import Annotations
from tasks.labeling.finding_kinds import FINDING_KINDS
from tasks.labeling.findings import FindingCounter
from tasks.records import SPLITS, LabelledImage, Split

IMBALANCE = 20
"""How many times the boxes of a class the most frequent one may have in train."""


def check_classes(classes: Sequence[str], images: Sequence[LabelledImage], findings: FindingCounter) -> None:
    """Count classes that are missing in a split, rare in train, or far rarer there than the most frequent one.

    Args:
        classes: Class names by class index.
        images: All images, in their final splits.
        findings: Counts the classes.
    """
    class_indices: dict[Split, set[int]] = {
        split: {box.class_index for image in images if image.split == split for box in image.boxes}
        for split in SPLITS
        if any(image.split == split for image in images)
    }
    for index, name in enumerate(classes):
        splits = [split for split, indices in class_indices.items() if index in indices]
        if not splits:
            findings.add("class-unused", name)
        elif "train" not in splits:
            findings.add("class-not-in-train", f"{name} (only in {', '.join(splits)})")
        elif len(splits) < len(class_indices):
            findings.add("class-not-in-every-split", f"{name} (only in {', '.join(splits)})")
    _check_balance(classes, images, findings)


def check_class_names(annotations: Annotations, findings: FindingCounter) -> None:
    """Count classes whose names are alike but for case and spaces, with the class map that merges them."""
    by_plain_name: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(annotations.classes):
        by_plain_name["".join(name.split()).casefold()].append(index)
    groups = [indices for indices in by_plain_name.values() if len(indices) > 1]
    if not groups:
        return
    counts = Counter(box.class_index for image in annotations.images for box in image.boxes)
    for indices in groups:
        kept = max(indices, key=lambda index: counts[index])
        named = ", ".join(f"{annotations.classes[index]!r} ({counts[index]} boxes)" for index in indices)
        others = (annotations.classes[index] for index in indices if index != kept)
        options = " ".join(f"--class-map {shlex.quote(f'{other}={annotations.classes[kept]}')}" for other in others)
        findings.add("class-names-alike", f"{named}: {options}", count=len(indices))


def _check_balance(classes: Sequence[str], images: Sequence[LabelledImage], findings: FindingCounter) -> None:
    counts = Counter(box.class_index for image in images if image.split == "train" for box in image.boxes)
    max_count = max(counts.values(), default=0)
    for index, name in enumerate(classes):
        if 0 < counts[index] < FINDING_KINDS["class-rare"].limit:
            findings.add("class-rare", f"{name}: {counts[index]}")
        if 0 < counts[index] * IMBALANCE < max_count:
            findings.add("class-imbalance", f"{name}: {counts[index]} of {max_count}")
