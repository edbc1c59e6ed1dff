"""The numbers of the page: images and boxes by class, sizes of boxes and images."""

import math
from collections import Counter
from collections.abc import Sequence

from tasks.labeling.inspection import Inspection
from tasks.labeling.page.colours import class_colours
from tasks.records import SPLITS, LabelledImage

BOX_SIZES = ((0.03, "under 3 %"), (0.1, "3 to 10 %"), (0.3, "10 to 30 %"), (0.6, "30 to 60 %"), (9, "60 % and more"))
"""Upper limits of a box's side as a fraction of the image's, and their names."""
MAX_IMAGE_SIZES = 5


def sizes_after_split(inspection: Inspection) -> tuple[int, int] | None:
    """Numbers of images of train and valid, if a validation split was split off; else None."""
    if inspection.snapshot is None or all(finding.code != "no-valid-split" for finding in inspection.findings):
        return None
    counts = inspection.snapshot.counts()
    return counts["train"].images, counts["valid"].images


def class_rows(inspection: Inspection) -> list[dict[str, object]]:
    """A row per class: boxes by split and in all, their share of the largest class in percent, images, and colour."""
    boxes = Counter((image.split, box.class_index) for image in inspection.images for box in image.boxes)
    images = Counter(index for image in inspection.images for index in {box.class_index for box in image.boxes})
    totals = [sum(boxes[split, index] for split in SPLITS) for index in range(len(inspection.classes))]
    colours = class_colours(inspection)
    max_total = max(totals, default=0) or 1
    return [
        {
            "name": name,
            "colour": colours[index],
            "by_split": [boxes[split, index] for split in inspection.splits],
            "boxes": totals[index],
            "share": 100 * totals[index] / max_total,
            "images": images[index],
        }
        for index, name in enumerate(inspection.classes)
    ]


def box_sizes(images: Sequence[LabelledImage]) -> list[dict[str, object]]:
    """A row per range of box sizes, with the number of boxes and their share in percent."""
    sides = [
        math.sqrt((box.x2 - box.x1) * (box.y2 - box.y1) / (image.width * image.height))
        for image in images
        for box in image.boxes
    ]
    counts = Counter(next(name for limit, name in BOX_SIZES if side < limit) for side in sides)
    return _with_shares([(name, counts[name]) for _, name in BOX_SIZES] if sides else [])


def image_sizes(images: Sequence[LabelledImage]) -> list[dict[str, object]]:
    """A row per image size, for the most frequent ones, and one for all others, with shares in percent."""
    counts = Counter(f"{image.width} x {image.height}" for image in images).most_common()
    others = sum(count for _, count in counts[MAX_IMAGE_SIZES:])
    return _with_shares(counts[:MAX_IMAGE_SIZES] + ([("others", others)] if others else []))


def _with_shares(counts: Sequence[tuple[str, int]]) -> list[dict[str, object]]:
    total = sum(count for _, count in counts)
    return [{"name": name, "count": count, "share": 100 * count / total} for name, count in counts]
