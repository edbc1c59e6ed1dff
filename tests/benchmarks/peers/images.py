"""Labelled images in one folder, in the layouts of all contestants; the labels are exactly the same.

``data/`` is our dataset folder; ``peers/`` has ``images/`` and ``labels/`` with ``train``, ``val`` and ``test``,
``data.yaml`` (YOLO), and ``annotations/`` (COCO).
"""

import json
import os
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from deployments.demo.cartoons import draw_export
from tasks import metrics
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.local import dataset_folder
from tasks.local.files import file_sha256
from tasks.records import Box, DatasetSnapshot, LabelledImage, LabelSource, Split

SPLITS: dict[Split, str] = {"train": "train", "valid": "val", "test": "test"}
"""Our names of the splits, and those of the peers."""


def write_images(folder: Path, train: int, valid: int, *, test: int = 1, side: int = 192) -> DatasetSnapshot:
    """Draw cartoons of ``side`` pixels, and write them in all layouts."""
    draw_export(folder / "export", 0, train=train, valid=valid, test=test, size=side)
    inspection = inspect_export(folder / "export", folder / "scratch")
    snapshot = require_snapshot(inspection)
    _write_layouts(folder, snapshot, inspection.files)
    return snapshot


def write_discs(folder: Path, train: int, valid: int, side: int, objects: int = 5) -> DatasetSnapshot:
    """Draw JPEGs of discs and squares on clouds, and write them in all layouts: a hundred times as fast as cartoons."""
    (folder / "drawn").mkdir(parents=True)
    splits: list[tuple[Split, int]] = [("train", train), ("valid", valid), ("test", 1)]
    numbered = [(split, number) for split, count in splits for number in range(count)]
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda one: _draw_discs(folder / "drawn", one[0], one[1], side, objects), numbered))
    source = LabelSource(kind="file", name="drawn")
    snapshot = DatasetSnapshot(classes=("disc", "square"), images=tuple(images), source=source)
    _write_layouts(folder, snapshot, {image.sha256: folder / "drawn" / image.file_name for image in images})
    return snapshot


def draw_object(pixels: Any, number: int, x: int, y: int, length: int, colour: tuple[int, ...]) -> Box:
    """Draw a disc or a square, by turns.

    Args:
        pixels: The image, ``[height, width, 3]`` uint8, which is drawn on.
        number: Of the object in its image; even ones are discs, of class 0.
        x: Left edge in pixels.
        y: Top edge in pixels.
        length: Side or diameter in pixels.
        colour: Of three channels, 0 to 255.

    Returns:
        Its box.
    """
    import cv2

    if number % 2:
        cv2.rectangle(pixels, (x, y), (x + length, y + length), colour, -1)
    else:
        cv2.circle(pixels, (x + length // 2, y + length // 2), length // 2, colour, -1)
    return Box(number % 2, x, y, x + length, y + length)


def _draw_discs(folder: Path, split: Split, number: int, side: int, objects: int) -> LabelledImage:
    import cv2
    import numpy as np

    rng = random.Random(f"{split}/{number}")
    clouds = np.frombuffer(rng.randbytes(3 * (side // 8) ** 2), np.uint8).reshape(side // 8, side // 8, 3)
    pixels = cv2.resize(clouds // 2 + 60, (side, side), interpolation=cv2.INTER_CUBIC)
    boxes = []
    for place in range(objects):
        length = rng.randint(side // 10, side // 3) // 2 * 2
        x, y = rng.randrange(side - length), rng.randrange(side - length)
        colour = tuple(rng.randrange(256) for _ in range(3))
        boxes.append(draw_object(pixels, place, x, y, length, colour))
    path = folder / f"{split}{number}.jpg"
    cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_QUALITY, 90])
    return LabelledImage(
        file_name=path.name, split=split, sha256=file_sha256(path), size=path.stat().st_size, width=side, height=side,
        boxes=tuple(boxes),
    )  # fmt: skip


def _write_layouts(folder: Path, snapshot: DatasetSnapshot, files: Mapping[str, Path]) -> None:
    dataset_folder.fill(folder / "data", snapshot, lambda image, path: os.link(files[image.sha256], path))
    for split, peers_split in SPLITS.items():
        _write_for_peers(folder, snapshot, snapshot.of_split(split), peers_split)
    names = json.dumps(list(snapshot.classes))
    (folder / "peers" / "data.yaml").write_text(
        f"path: {folder / 'peers'}\ntrain: images/train\nval: images/val\ntest: images/test\n"
        f"nc: {len(snapshot.classes)}\nnames: {names}\n"
    )


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
