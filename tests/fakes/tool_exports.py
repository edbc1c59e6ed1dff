"""The small export of ``formats`` as other labelling tools lay it out: CVAT, COCO itself, Label Studio."""

import json
from collections.abc import Iterable
from pathlib import Path

from tests.fakes.exports import image_bytes
from tests.fakes.formats import CLASSES, HEIGHT, SPLITS, WIDTH, Splits, rows

TEST: Splits = {**SPLITS, "test": {"t.jpg": [("dog", 5, 5, 45, 45)]}}
"""With a test split."""


def write_images(folder: Path, split: str, names: Iterable[str]) -> None:
    """Write the images of a split, with the bytes that ``formats`` gives them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(image_bytes((split, name), WIDTH, HEIGHT))


def coco_document(boxes, prefix: str = "", **values: object) -> dict:
    """A COCO document as CVAT writes it: category ids from 1, no root category; ``values`` go into annotations."""
    names = list(boxes)
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {},
        "categories": [{"id": at + 1, "name": name, "supercategory": ""} for at, name in enumerate(CLASSES)],
        "images": [
            {"id": at + 1, "file_name": f"{prefix}{name}", "width": WIDTH, "height": HEIGHT}
            for at, name in enumerate(names)
        ],
        "annotations": [
            {
                "id": 100 * at + number + 1, "image_id": at + 1, "category_id": CLASSES.index(label) + 1,
                "segmentation": [], "area": float((x2 - x1) * (y2 - y1)), "bbox": [x1, y1, x2 - x1, y2 - y1],
                "iscrowd": 0, **values,
            }
            for at, name in enumerate(names)
            for number, (label, x1, y1, x2, y2) in enumerate(boxes[name])
        ],
    }  # fmt: skip


def write_coco(folder: Path, documents: dict[str, str], images: dict[str, str], splits: Splits = TEST) -> Path:
    """Write COCO with documents and image folders at the given paths, by split."""
    for split, boxes in splits.items():
        path = folder / documents[split]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(coco_document(boxes)))
        write_images(folder / images[split], split, boxes)
    return folder


def write_yolo(folder: Path, images: dict[str, str], labels: dict[str, str], splits: Splits = TEST) -> Path:
    """Write the images and rows of YOLO at the given paths, by split; class lists are left to the caller."""
    for split, boxes in splits.items():
        write_images(folder / images[split], split, boxes)
        (folder / labels[split]).mkdir(parents=True, exist_ok=True)
        for name, boxes_of_image in boxes.items():
            path = folder / labels[split] / Path(name).with_suffix(".txt")
            path.write_text(rows(boxes_of_image, CLASSES))
    return folder
