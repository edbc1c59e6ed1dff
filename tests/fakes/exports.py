"""Small COCO exports with any categories, annotations, splits and image files."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

CATEGORIES = (
    {"id": 0, "name": "animals", "supercategory": "none"},
    {"id": 1, "name": "cat", "supercategory": "animals"},
    {"id": 2, "name": "dog", "supercategory": "animals"},
)


def image_bytes(seed: object = 0, width: int = 100, height: int = 100, kind: str = "JPEG", mode: str = "RGB") -> bytes:
    """Bytes of an image file; they differ by seed."""
    noise = hashlib.sha256(repr(seed).encode()).digest() * 2
    image = Image.frombytes("RGB", (4, 4), noise[:48]).resize((width, height))
    file = io.BytesIO()
    image.convert(mode).save(file, kind)
    return file.getvalue()


def document(
    images: Sequence[str | Mapping],
    annotations: Sequence[tuple | Mapping] = (),
    categories: Sequence[Mapping] = CATEGORIES,
) -> dict:
    """A COCO document. Images by name or as they are; annotations as (image, category id, bbox) or as they are."""
    listed = [
        {"id": number, "file_name": image, "width": 100, "height": 100} if isinstance(image, str) else dict(image)
        for number, image in enumerate(images)
    ]
    marked = [
        {"id": number, "image_id": item[0], "category_id": item[1], "bbox": list(item[2]), "iscrowd": 0}
        if isinstance(item, tuple)
        else {"id": number, **item}
        for number, item in enumerate(annotations)
    ]
    return {"info": {}, "licenses": [], "categories": list(categories), "images": listed, "annotations": marked}


def write_split(folder: Path, content: object, images: Mapping[str, bytes] | None = None) -> None:
    """Write one split: its document and images (those that it lists, each with bytes of its own, unless given)."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "_annotations.coco.json").write_text(json.dumps(content))
    if images is None:
        names = [image["file_name"] for image in content["images"]]
        images = {name: image_bytes((folder.name, name)) for name in names}
    for name, data in images.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def numbered(prefix: str, count: int) -> list[str]:
    """File names as Roboflow gives them, each of another source image."""
    return [f"{prefix}{i}_jpg.rf.{hashlib.md5(f'{prefix}{i}'.encode()).hexdigest()}.jpg" for i in range(count)]  # noqa: S324


def write_export(
    folder: Path, train: int = 4, valid: int = 2, test: int = 0, categories: Sequence[Mapping] = CATEGORIES
) -> Path:
    """Write a sound export: one box per image, of the classes in turn."""
    ids = [category["id"] for category in categories if category["supercategory"] != "none"]
    for split, count in (("train", train), ("valid", valid), ("test", test)):
        if count:
            boxes = [(i, ids[i % len(ids)], (10, 10, 40, 30)) for i in range(count)]
            write_split(folder / split, document(numbered(split, count), boxes, categories))
    return folder
