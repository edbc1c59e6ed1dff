"""COCO JSON and CSV of all detections, written image by image."""

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TextIO

from tasks.detection.results import Detection, ImageResult

COLUMNS = ("image", "width", "height", "class", "score", "x", "y", "box_width", "box_height")


def write_coco(path: Path, results: Iterable[ImageResult], classes: Sequence[str], info: dict[str, Any]) -> None:
    """Write a COCO document with scores: ``info``, ``categories``, ``images`` and ``annotations``.

    Image ids count from 1 in the order of the images, and a category id is the class index plus 1, as in evaluation.

    Args:
        path: The file.
        results: Detections by image.
        classes: Class names.
        info: What is said about the whole.
    """
    categories = [{"id": index, "name": name} for index, name in enumerate(classes, start=1)]
    annotations_path = path.with_suffix(".annotations")
    with path.open("w", encoding="utf-8") as file, annotations_path.open("w+", encoding="utf-8") as annotations:
        file.write(f'{{"info": {_json(info)},\n"categories": {_json(categories)},\n"images": [')
        number = 0
        for image_id, result in enumerate(results, start=1):
            image = {"id": image_id, "file_name": result.image, "width": result.width, "height": result.height}
            _write_item(file, image, first=image_id == 1)
            for detection in result.detections:
                number += 1
                _write_item(annotations, _annotation(number, image_id, detection), first=number == 1)
        file.write('\n],\n"annotations": [')
        annotations.seek(0)
        while part := annotations.read(2**20):
            file.write(part)
        file.write("\n]}\n")
    annotations_path.unlink()


def write_csv(path: Path, results: Iterable[ImageResult], classes: Sequence[str]) -> None:
    """Write a row for each detection; boxes are in pixels of the image, from its upper left corner.

    Args:
        path: The file.
        results: Detections by image.
        classes: Class names.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for result in results:
            for one in result.detections:
                name = classes[one.class_index]
                writer.writerow([result.image, result.width, result.height, name, one.score, *one.bbox])


def _annotation(number: int, image_id: int, detection: Detection) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image_id,
        "category_id": detection.class_index + 1,
        "bbox": list(detection.bbox),
        "area": round(detection.bbox[2] * detection.bbox[3], 2),
        "iscrowd": 0,
        "score": detection.score,
    }


def _write_item(file: TextIO, item: dict[str, Any], *, first: bool) -> None:
    file.write(("\n" if first else ",\n") + _json(item))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
