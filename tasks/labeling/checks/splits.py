"""Checks of splits: how many images they have, and whether models can be measured on them. Pure."""

from collections.abc import Sequence

from tasks import metrics
from tasks.labeling.finding_kinds import FINDING_KINDS
from tasks.labeling.findings import FindingCounter
from tasks.records import SPLITS, LabelledImage, SplitCounts, count_images


def check_split_sizes(images: Sequence[LabelledImage], findings: FindingCounter) -> None:
    """Count splits with too few images, and a missing test split.

    Source images are counted, because copies of one say little more than it does; a batch is of images.
    """
    counts = {split: count_images([image for image in images if image.split == split]) for split in SPLITS}
    if not counts["test"].images:
        findings.add("no-test-split")
    train = counts["train"]
    if 0 < train.images < FINDING_KINDS["train-below-batch"].limit:
        findings.add("train-below-batch", count=train.images)
    elif 0 < train.sources < FINDING_KINDS["train-tiny"].limit:
        findings.add("train-tiny", f"train: {_in_words(train)}", count=train.sources)
    for split in ("valid", "test"):
        if 0 < counts[split].sources < FINDING_KINDS["split-tiny"].limit:
            findings.add("split-tiny", f"{split}: {_in_words(counts[split])}")


def _in_words(counts: SplitCounts) -> str:
    if counts.sources == counts.images:
        return f"{counts.images}"
    return f"{counts.images} images of {counts.sources} source{'' if counts.sources == 1 else 's'}"


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
