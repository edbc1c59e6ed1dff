"""Tiny dataset folders for the trainer: drawn discs and squares, the same ones every time."""

import hashlib
import io
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from tasks.local import dataset_folder
from tasks.records import Box, DatasetSnapshot, LabelledImage, LabelSource, Split, TrainingSpec

CLASSES = ("disc", "square")


def draw(seed: object, size: int, objects: int) -> tuple[bytes, tuple[Box, ...]]:
    """A PNG of ``size`` pixels with ``objects`` discs and squares in turn, one in each quarter, and their boxes."""
    rng = random.Random(repr(seed))
    image = Image.new("RGB", (size, size), tuple(rng.randrange(60) for _ in range(3)))
    pencil, boxes, half = ImageDraw.Draw(image), [], size // 2
    for number, quarter in enumerate(rng.sample(range(4), objects)):
        side = rng.randrange(half // 2, half - 4)
        x = quarter % 2 * half + rng.randrange(half - side)
        y = quarter // 2 * half + rng.randrange(half - side)
        shape = pencil.ellipse if number % 2 == 0 else pencil.rectangle
        shape((x, y, x + side - 1, y + side - 1), fill=tuple(rng.randrange(120, 256) for _ in range(3)))
        boxes.append(Box(number % 2, x, y, x + side, y + side))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue(), tuple(boxes)


def write_dataset(
    folder: Path,
    train: int = 8,
    valid: int = 3,
    *,
    size: int = 64,
    classes: Sequence[str] = CLASSES,
    objects: int = 2,
    valid_objects: int | None = None,
) -> DatasetSnapshot:
    """Write a dataset folder with ``objects`` per image, or ``valid_objects`` in the valid split."""
    images, contents = [], {}
    counts: dict[Split, int] = {"train": train, "valid": valid}
    for split, count in counts.items():
        objects_per_image = valid_objects if split == "valid" and valid_objects is not None else objects
        for number in range(count):
            data, boxes = draw((split, number), size, objects_per_image)
            sha256 = hashlib.sha256(data).hexdigest()
            contents[sha256] = data
            images.append(
                LabelledImage(
                    file_name=f"{split}{number}.png", split=split, sha256=sha256, size=len(data),
                    width=size, height=size, boxes=boxes,
                )
            )  # fmt: skip
    source = LabelSource(kind="file", name="drawn")
    snapshot = DatasetSnapshot(classes=tuple(classes), images=tuple(images), source=source)

    def write(image: LabelledImage, path: Path) -> None:
        path.write_bytes(contents[image.sha256])

    dataset_folder.fill(folder, snapshot, write)
    return snapshot


def make_spec(snapshot: DatasetSnapshot, **changes: Any) -> TrainingSpec:
    """A spec of the smallest run that makes sense for a snapshot."""
    values: dict[str, Any] = {
        "snapshot_digest": snapshot.digest, "classes": snapshot.classes, "variant": "s", "epochs": 3, "image_size": 64,
        "batch_size": 2, "learning_rate": 5e-4, "patience": 10, "seed": 1,
    }  # fmt: skip
    return TrainingSpec(**{**values, **changes})


def write_spec(path: Path, spec: TrainingSpec) -> Path:
    """Write a spec as the trainer reads it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(spec.model_dump_json(indent=1))
    return path
