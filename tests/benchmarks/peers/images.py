"""The demo's labelled images in one folder, in the layouts of all contestants; the labels are exactly the same.

``data/`` is our dataset folder; ``peers/`` has ``images/`` and ``labels/`` with ``train``, ``val`` and ``test``,
``data.yaml`` (YOLO), and ``annotations/`` (COCO).
"""

import json
import os
from pathlib import Path

from deployments.demo.cartoons import draw_export
from tasks import metrics
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.local import dataset_folder
from tasks.records import DatasetSnapshot, LabelledImage

SPLITS = {"train": "train", "valid": "val", "test": "test"}
"""Our names of the splits, and those of the peers."""


def write_images(folder: Path, train: int, valid: int, *, test: int = 1, side: int = 192) -> DatasetSnapshot:
    """Draw cartoons of ``side`` pixels, and write them in all layouts."""
    draw_export(folder / "export", 0, train=train, valid=valid, test=test, size=side)
    inspection = inspect_export(folder / "export", folder / "scratch")
    snapshot = require_snapshot(inspection)
    dataset_folder.fill(
        folder / "data", snapshot, lambda image, path: os.link(inspection.files[image.sha256], path)
    )  # fmt: skip
    for split, peers_split in SPLITS.items():
        _write_for_peers(folder, snapshot, snapshot.of_split(split), peers_split)
    names = json.dumps(list(snapshot.classes))
    (folder / "peers" / "data.yaml").write_text(
        f"path: {folder / 'peers'}\ntrain: images/train\nval: images/val\ntest: images/test\n"
        f"nc: {len(snapshot.classes)}\nnames: {names}\n"
    )
    return snapshot


def _write_for_peers(folder: Path, snapshot: DatasetSnapshot, images: tuple[LabelledImage, ...], split: str) -> None:
    peers = folder / "peers"
    for name in ("images", "labels"):
        (peers / name / split).mkdir(parents=True)
    (peers / "annotations").mkdir(exist_ok=True)
    for image in images:
        os.link(dataset_folder.image_path(folder / "data", image), peers / "images" / split / image.file_name)
        lines = "".join(_line(image, *box) for box in image.boxes)
        (peers / "labels" / split / f"{Path(image.file_name).stem}.txt").write_text(lines)
    truth = metrics.coco_ground_truth(images, snapshot.classes)
    (peers / "annotations" / f"{split}.json").write_text(json.dumps(truth))


def _line(image: LabelledImage, index: int, x1: float, y1: float, x2: float, y2: float) -> str:
    """Format one row of a YOLO label file: class, centre and sides as fractions."""
    width, height = image.width, image.height
    return f"{index} {(x1 + x2) / 2 / width} {(y1 + y2) / 2 / height} {(x2 - x1) / width} {(y2 - y1) / height}\n"
