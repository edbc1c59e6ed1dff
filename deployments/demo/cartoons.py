"""Draws labelled exports of cartoon cats and dogs, laid out as Roboflow's COCO exports are.

For demonstrations and tests that need images nobody owns and a task that a small network can learn. Ears, snout and
tail tell a cat from a dog; colour, size, pose and background do not.
"""

import hashlib
import io
import json
import random
from pathlib import Path

from PIL import Image

from deployments.demo.animals import CLASSES
from deployments.demo.scene import Label, draw_scene

_CATEGORIES = [
    {"id": 0, "name": "animals", "supercategory": "none"},
    *({"id": number, "name": name, "supercategory": "animals"} for number, name in enumerate(CLASSES, start=1)),
]
_DATE = "2025-01-01T00:00:00+00:00"
_README = """cartoons - v1

Drawn by nasflow's cartoons, seed {seed}: {count} images of cartoon cats and dogs.
License: Public Domain
"""


def draw_export(folder: Path, seed: int, *, train: int = 120, valid: int = 30, test: int = 40, size: int = 192) -> None:
    """Draw a labelled export. The same arguments give the same bytes.

    Args:
        folder: Folder of the export; created if it does not exist.
        seed: Seed of everything random; each split and image has a stream of its own.
        train: Images of the train split.
        valid: Images of the valid split.
        test: Images of the test split; a split of 0 is left out.
        size: Side of the images in pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    readme = _README.format(seed=seed, count=train + valid + test)
    (folder / "README.dataset.txt").write_text(readme)
    (folder / "README.roboflow.txt").write_text(readme)
    for split, count in (("train", train), ("valid", valid), ("test", test)):
        if count:
            _draw_split(folder / split, f"{seed}/{split}", count, size)


def draw_images(folder: Path, seed: int, count: int, size: int = 192) -> None:
    """Draw images without labels, other ones than the exports of the same seed have.

    Args:
        folder: Folder of the images; created if it does not exist.
        seed: Seed of everything random.
        count: Number of images.
        size: Side of the images in pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        image, _ = draw_scene(random.Random(f"{seed}/new/{number}"), size)  # noqa: S311
        image.save(folder / f"new-{number}.jpg", quality=90)


def _draw_split(folder: Path, stream: str, count: int, size: int) -> None:
    folder.mkdir(exist_ok=True)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number in range(count):
        image, labels = draw_scene(random.Random(f"{stream}/{number}"), size)  # noqa: S311
        name = _save(image, folder, f"{folder.name}{number:04d}_jpg")
        images.append(
            {"id": number, "license": 1, "file_name": name, "height": size, "width": size, "date_captured": _DATE}
        )
        first = len(annotations)
        annotations += [_annotation(first + index, number, label) for index, label in enumerate(labels)]
    document = {
        "info": {"year": "2025", "version": "1", "description": "Cartoon cats and dogs", "date_created": _DATE},
        "licenses": [{"id": 1, "url": "https://creativecommons.org/publicdomain/zero/1.0/", "name": "Public Domain"}],
        "categories": _CATEGORIES,
        "images": images,
        "annotations": annotations,
    }
    (folder / "_annotations.coco.json").write_text(json.dumps(document))


def _save(image: Image.Image, folder: Path, stem: str) -> str:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    name = f"{stem}.rf.{hashlib.sha256(file.getvalue()).hexdigest()[:32]}.jpg"
    (folder / name).write_bytes(file.getvalue())
    return name


def _annotation(number: int, image: int, label: Label) -> dict[str, object]:
    x1, y1, x2, y2 = label.box
    return {
        "id": number,
        "image_id": image,
        "category_id": 1 + CLASSES.index(label.kind),
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": (x2 - x1) * (y2 - y1),
        "segmentation": [],
        "iscrowd": 0,
    }
