"""Small COCO documents and results, and pycocotools as the judge of them."""

import contextlib
import io

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

BOX = [10.0, 10.0, 20.0, 20.0]
ELSEWHERE = [60.0, 60.0, 20.0, 20.0]


def document(boxes, images=1, classes=("apple", "pear")):
    """A COCO document of (image id, category id, bbox[, iscrowd])."""
    return {
        "images": [{"id": i + 1, "file_name": f"{i + 1}.jpg", "width": 100, "height": 100} for i in range(images)],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(classes)],
        "annotations": [
            {
                "id": i,
                "image_id": image,
                "category_id": category,
                "bbox": bbox,
                "area": bbox[2] * bbox[3],
                "iscrowd": crowd[0] if crowd else 0,
            }
            for i, (image, category, bbox, *crowd) in enumerate(boxes, start=1)
        ],
    }


def found(value, bbox=BOX, image=1, category=1):
    return {"image_id": image, "category_id": category, "bbox": bbox, "score": value}


def judged(truth, detections):
    """pycocotools on the same set."""
    with contextlib.redirect_stdout(io.StringIO()):
        labels = COCO()
        labels.dataset = truth
        labels.createIndex()
        evaluation = COCOeval(labels, labels.loadRes([dict(one) for one in detections]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation
