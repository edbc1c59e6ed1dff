"""From labelled images to the frozen DatasetSnapshot, after the checks of all images together. Pure."""

from collections.abc import Mapping, Sequence

from tasks.labeling.checks.classes import check_classes
from tasks.labeling.checks.leaks import check_leaks
from tasks.labeling.checks.near_duplicates import check_near_duplicates
from tasks.labeling.checks.splits import check_ground_truth, check_split_sizes
from tasks.labeling.findings import FindingCounter
from tasks.labeling.sources import split_off_validation
from tasks.records import DatasetSnapshot, LabelledImage, LabelSource


def make_snapshot(
    classes: tuple[str, ...],
    images: Sequence[LabelledImage],
    hashes: Mapping[str, int],
    source: LabelSource,
    findings: FindingCounter,
) -> DatasetSnapshot | None:
    """Check all images together and freeze them, with a validation split split off train if there is none.

    Args:
        classes: Class names by class index.
        images: All images that decode.
        hashes: Difference hash by the SHA-256 of an image.
        source: Where the labels came from.
        findings: Findings so far; those of these checks are added.

    Returns:
        The snapshot, or None if there are errors among the findings.
    """
    check_leaks(images, findings)
    images = _with_validation(images, findings)
    check_near_duplicates(images, hashes, findings)
    check_split_sizes(images, findings)
    check_ground_truth(classes, images, findings)
    check_classes(classes, images, findings)
    if findings.has_errors:
        return None
    return DatasetSnapshot(
        classes=classes,
        images=tuple(sorted(images, key=lambda image: (image.split, image.file_name, image.sha256))),
        source=source,
        findings=findings.summary(),
        held_out=findings.count("no-valid-split"),
    )


def _with_validation(images: Sequence[LabelledImage], findings: FindingCounter) -> Sequence[LabelledImage]:
    """The images with a valid split that has boxes, if train allows it."""
    labelled_splits = {image.split for image in images if image.boxes}
    if not any(image.split == "train" for image in images):
        findings.add("no-train-split")
    elif "train" not in labelled_splits:
        if not findings.has_errors:  # earlier errors explain why there are no boxes
            findings.add("no-train-boxes")
    elif "valid" not in labelled_splits:
        divided = split_off_validation(images)
        if divided is None:
            findings.add("too-small-to-split")
            return images
        moved = sum(after.split != before.split for before, after in zip(images, divided, strict=True))
        findings.add("no-valid-split", count=moved)
        return divided
    return images
