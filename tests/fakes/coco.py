"""Small COCO documents and results, and their evaluation by pycocotools."""

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


def detection(score, bbox=BOX, image=1, category=1):
    return {"image_id": image, "category_id": category, "bbox": bbox, "score": score}


def pycocotools_evaluation(ground_truth, detections):
    """The same set evaluated by pycocotools."""
    with contextlib.redirect_stdout(io.StringIO()):
        labels = COCO()
        labels.dataset = ground_truth
        labels.createIndex()
        evaluation = COCOeval(labels, labels.loadRes([dict(result) for result in detections]), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation
