"""The same small export in every format that is read: images of 100 x 80 pixels, with a few boxes."""

import csv
import io
import json
import zlib
from collections.abc import Mapping
from pathlib import Path

from tests.fakes.exports import image_bytes

Boxes = list[tuple[str, int, int, int, int]]
"""Class name and corners in pixels."""
Splits = Mapping[str, Mapping[str, Boxes]]
"""Boxes by split and image."""
WIDTH, HEIGHT = 100, 80
CLASSES = ("cat", "dog")
SPLITS: Splits = {
    "train": {"a.jpg": [("cat", 10, 10, 50, 40), ("dog", 0, 5, 30, 80)], "b.jpg": [("dog", 1, 2, 99, 70)], "e.jpg": []},
    "valid": {"c.jpg": [("cat", 20, 20, 60, 60)], "d.jpg": []},
}
FORMATS = ("coco", "yolo", "darknet", "cvat", "voc", "tensorflow-csv", "retinanet-csv")


def write_in(kind: str, folder: Path, splits: Splits = SPLITS, classes: tuple[str, ...] = CLASSES) -> Path:
    """Write an export as Roboflow lays out the format, and CVAT's own with a document a split."""
    for split, boxes in splits.items():
        images = folder / split / "images" if kind == "yolo" else folder / split
        images.mkdir(parents=True)
        for name in boxes:
            (images / name).write_bytes(image_bytes((split, name), WIDTH, HEIGHT))
        WRITERS[kind](folder / split, boxes, classes)
    if kind == "yolo":
        names = json.dumps(list(classes))
        (folder / "data.yaml").write_text(f"train: ../train/images\nval: nowhere\nnc: {len(classes)}\nnames: {names}\n")
    (folder / "README.roboflow.txt").write_text("An export.")
    return folder


def _coco(folder: Path, splits: Mapping[str, Boxes], classes: tuple[str, ...]) -> None:
    numbered = list(enumerate(splits))
    categories = [{"id": index + 1, "name": name, "supercategory": "all"} for index, name in enumerate(classes)]
    document = {
        "categories": [{"id": 0, "name": "all", "supercategory": "none"}, *categories],
        "images": [{"id": at, "file_name": name, "width": WIDTH, "height": HEIGHT} for at, name in numbered],
        "annotations": [
            {"id": zlib.crc32(repr((at, box)).encode()), "image_id": at, "category_id": classes.index(box[0]) + 1,
             "bbox": [box[1], box[2], box[3] - box[1], box[4] - box[2]], "iscrowd": 0}
            for at, name in numbered for box in splits[name]
        ],
    }  # fmt: skip
    (folder / "_annotations.coco.json").write_text(json.dumps(document))


def rows(boxes: Boxes, classes: tuple[str, ...]) -> str:
    """Rows of a YOLO label file."""
    return "".join(
        f"{classes.index(name)} {(x1 + x2) / 2 / WIDTH} {(y1 + y2) / 2 / HEIGHT} "
        f"{(x2 - x1) / WIDTH} {(y2 - y1) / HEIGHT}\n"
        for name, x1, y1, x2, y2 in boxes
    )


def _yolo(folder: Path, splits: Mapping[str, Boxes], classes: tuple[str, ...]) -> None:
    (folder / "labels").mkdir()
    for name, boxes in splits.items():
        (folder / "labels" / Path(name).with_suffix(".txt")).write_text(rows(boxes, classes))


def _darknet(folder: Path, splits: Mapping[str, Boxes], classes: tuple[str, ...]) -> None:
    (folder / "_darknet.labels").write_text("\n".join(classes))
    for name, boxes in splits.items():
        (folder / Path(name).with_suffix(".txt")).write_text(rows(boxes, classes))


def _voc(folder: Path, splits: Mapping[str, Boxes], classes: tuple[str, ...]) -> None:
    for name, boxes in splits.items():
        objects = "".join(
            f"<object><name>{label}</name><bndbox><xmin>{x1 + 1}</xmin><xmax>{x2 + 1}</xmax>"
            f"<ymin>{y1 + 1}</ymin><ymax>{y2 + 1}</ymax></bndbox></object>"
            for label, x1, y1, x2, y2 in boxes
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
        marks = f"<path>{name}</path><source><database>roboflow.ai</database></source>"  # of Roboflow, which adds 1
        text = f"<annotation><filename>{name}</filename>{marks}{size}{objects}</annotation>"
        (folder / Path(name).with_suffix(".xml")).write_text(text)


def _cvat(folder: Path, splits: Mapping[str, Boxes], classes: tuple[str, ...]) -> None:
    labels = "".join(f"<label><name>{name}</name></label>" for name in classes)
    images = "".join(
        f'<image id="{at}" name="{name}" width="{WIDTH}" height="{HEIGHT}">'
        + "".join(f'<box label="{b[0]}" xtl="{b[1]}" ytl="{b[2]}" xbr="{b[3]}" ybr="{b[4]}"/>' for b in splits[name])
        + "</image>"
        for at, name in enumerate(splits)
    )
    meta = f"<version>1.1</version><meta><task><labels>{labels}</labels></task></meta>"
    (folder / "annotations.xml").write_text(f"<annotations>{meta}{images}</annotations>")


def _csv(folder: Path, lines: list[tuple[object, ...]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    (folder / "_annotations.csv").write_text(text.getvalue())


def _tensorflow(folder: Path, splits: Mapping[str, Boxes], classes: tuple[str, ...]) -> None:
    head = ("filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax")
    lines = [(name, WIDTH, HEIGHT, *box) for name, boxes in splits.items() for box in boxes]
    _csv(folder, [head, *lines])


def _retinanet(folder: Path, splits: Mapping[str, Boxes], classes: tuple[str, ...]) -> None:
    full = [(name, *box[1:], box[0]) for name, boxes in splits.items() for box in boxes]
    empty = [(name, "", "", "", "", "") for name, boxes in splits.items() if not boxes]
    _csv(folder, [*full, *empty])


WRITERS = {
    "coco": _coco,
    "yolo": _yolo,
    "darknet": _darknet,
    "cvat": _cvat,
    "voc": _voc,
    "tensorflow-csv": _tensorflow,
    "retinanet-csv": _retinanet,
}
