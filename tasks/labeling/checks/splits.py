"""Checks of splits: how many images they have, and whether models can be measured on them. Pure."""

from collections.abc import Sequence

from tasks import metrics
from tasks.labeling.finding_kinds import FINDING_KINDS
from tasks.labeling.findings import FindingCounter
from tasks.records import SPLITS, LabelledImage


def check_split_sizes(images: Sequence[LabelledImage], findings: FindingCounter) -> None:
    """Count splits with too few images, and a missing test split."""
    sizes = {split: sum(image.split == split for image in images) for split in SPLITS}
    if not sizes["test"]:
        findings.add("no-test-split")
    for code in ("train-below-batch", "train-tiny"):
        if 0 < sizes["train"] < FINDING_KINDS[code].limit:
            findings.add(code, count=sizes["train"])
            break
    for split in ("valid", "test"):
        if 0 < sizes[split] < FINDING_KINDS["split-tiny"].limit:
            findings.add("split-tiny", f"{split}: {sizes[split]}")


def check_ground_truth(classes: Sequence[str], images: Sequence[LabelledImage], findings: FindingCounter) -> None:
    """Count splits whose own boxes, taken as detections, do not score mAP 1; scores on them could not be trusted.

    Args:
        classes: Class names by class index.
        images: All images, in their final splits.
        findings: Counts the splits.
    """
    for split in ("valid", "test"):
        ground_truth = metrics.coco_ground_truth([image for image in images if image.split == split], classes)
        detections = [{**box, "score": 1.0} for box in ground_truth["annotations"]]
        if detections and not metrics.Matches(ground_truth, detections).perfect:
            findings.add("truth-not-perfect", split)
