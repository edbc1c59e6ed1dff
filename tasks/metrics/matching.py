"""Ground truth and detections, matched as COCO does. The only module that calls hotcoco's evaluation."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import hotcoco
import numpy as np
from numpy.typing import NDArray

from tasks.errors import BadInput
from tasks.images.source_names import clip_name
from tasks.records import LabelledImage

# COCO's own numbers (Lin et al. 2014), as ``Params`` of pycocotools 2.0 has them: maxDets, iouThrs, recThrs, areaRng.
COCO_DETECTIONS_LIMIT = 100
"""Detections that count per image and class, the best first; more where an image has more boxes of a class."""
IOUS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
IOU_50, IOU_75 = 0, 5
SIZES = {"all": (0.0, 1e10), "small": (0.0, 32.0**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e10)}
"""COCO's ranges of area, in square pixels."""


def coco_ground_truth(images: Sequence[LabelledImage], classes: Sequence[str]) -> dict[str, Any]:
    """Labels as a COCO document: image ids 1 to n in order, category id = class index + 1, boxes in pixels."""
    # Annotation ids begin at 1, because COCO's reference code takes a match with id 0 for no match.
    numbered = [(image_id, box) for image_id, image in enumerate(images, start=1) for box in image.boxes]
    return {
        "images": [
            {"id": image_id, "file_name": image.file_name, "width": image.width, "height": image.height}
            for image_id, image in enumerate(images, start=1)
        ],
        "categories": [{"id": index + 1, "name": name} for index, name in enumerate(classes)],
        "annotations": [
            {
                "id": annotation_id,
                "image_id": image_id,
                "category_id": box.class_index + 1,
                "bbox": [box.x1, box.y1, box.x2 - box.x1, box.y2 - box.y1],
                "area": (box.x2 - box.x1) * (box.y2 - box.y1),
                "iscrowd": 0,
            }
            for annotation_id, (image_id, box) in enumerate(numbered, start=1)
        ],
    }


class Outcomes(NamedTuple):
    """What each detection is at one IoU."""

    counts: NDArray[np.bool_]
    """[D], whether it counts: not on a crowd, and not beyond the limit of an image and class."""
    hits: NDArray[np.bool_]
    """[D], whether it is a true positive."""


class Matches:
    """Detections of a set of images, matched with the ground truth at each IoU.

    D detections in the order of the list, K classes by category id, I images by id, T values of IoU.
    """

    def __init__(self, ground_truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]]) -> None:
        """Match.

        Args:
            ground_truth: COCO document, as :func:`coco_ground_truth` makes it.
            detections: COCO results: ``image_id``, ``category_id``, ``bbox`` and ``score`` in [0, 1]. Pass all
                detections of the network, because a confidence threshold lowers AP.

        Raises:
            BadInput: there is no box to find.
        """
        images = sorted(ground_truth["images"], key=lambda image: int(image["id"]))
        categories = sorted(ground_truth["categories"], key=lambda category: int(category["id"]))
        self.classes = tuple(str(category["name"]) for category in categories)
        """[K] names."""
        self.image_ids = tuple(int(image["id"]) for image in images)
        """[I] ids of images."""
        self.file_names = tuple(str(image.get("file_name", "")) for image in images)
        """[I] names of images."""
        image_index = {image["id"]: index for index, image in enumerate(images)}
        class_index = {category["id"]: index for index, category in enumerate(categories)}
        self.box_counts = _count_boxes(ground_truth, class_index, image_index)
        """[K, I] ground-truth boxes to find, without crowds."""
        if not self.box_counts.any():
            raise BadInput(
                f"not measurable: {len(images)} images hold no labelled box to find; "
                "label some, or measure another split"
            )
        self.image_indices = np.array([image_index[detection["image_id"]] for detection in detections], dtype=np.int64)
        """[D] index of the image."""
        self.class_indices = np.array(
            [class_index[detection["category_id"]] for detection in detections], dtype=np.int64
        )
        """[D] index of the class."""
        self.scores = np.array([detection["score"] for detection in detections], dtype=np.float64)
        """[D] in [0, 1]."""
        self.detections_limit = max(COCO_DETECTIONS_LIMIT, int(self.box_counts.max()))
        """Detections that count per image and class."""
        self.evaluation = _evaluate(ground_truth, detections, self.detections_limit)
        """hotcoco's; ids of its detections are 1 to D."""
        self._outcomes: dict[int, Outcomes] = {}

    @property
    def measured(self) -> NDArray[np.bool_]:
        """[K], whether a class has ground truth."""
        return np.asarray(self.box_counts.any(axis=1))

    @property
    def perfect(self) -> bool:
        """Whether mAP is 1."""
        precision = self.evaluation.eval["precision"][:, :, self.measured, 0, -1]
        return bool((precision > 1 - 1e-9).all())

    def outcomes(self, iou: int) -> Outcomes:
        """What each detection is at ``IOUS[iou]``."""
        if iou not in self._outcomes:
            status: dict[int, str] = self.evaluation.image_diagnostics(iou_thr=float(IOUS[iou]))["dt_status"]
            counts, hits = np.zeros(len(self.scores), np.bool_), np.zeros(len(self.scores), np.bool_)
            if status:
                hit_ids = [detection_id for detection_id, outcome in status.items() if outcome == "tp"]
                counts[np.fromiter(status, dtype=np.int64) - 1] = True
                hits[np.array(hit_ids, dtype=np.int64) - 1] = True
            self._outcomes[iou] = Outcomes(counts, hits)
        return self._outcomes[iou]

    @property
    def source_count(self) -> int:
        """Number of sources that the images come from."""
        return int(self.sources.max()) + 1

    @cached_property
    def sources(self) -> NDArray[np.int64]:
        """[I] number of an image's source; versions of one image, and frames of one clip, share theirs."""
        numbers: dict[str, int] = {}
        names = (clip_name(name) if name else f"image {index}" for index, name in enumerate(self.file_names))
        return np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)


def _count_boxes(
    ground_truth: Mapping[str, Any], class_index: Mapping[int, int], image_index: Mapping[int, int]
) -> NDArray[np.int64]:
    counts = np.zeros((len(class_index), len(image_index)), dtype=np.int64)
    for box in ground_truth["annotations"]:
        if not box.get("iscrowd"):
            counts[class_index[box["category_id"]], image_index[box["image_id"]]] += 1
    return counts


def _evaluate(ground_truth: Mapping[str, Any], detections: Sequence[Mapping[str, Any]], limit: int) -> Any:
    """Match and accumulate. Rows of the array get the ids 1 to D, so outcomes are found by position."""
    rows = [
        (detection["image_id"], *detection["bbox"], detection["score"], detection["category_id"])
        for detection in detections
    ]
    # Numbered anew: a match with an annotation of id 0 would count as no match.
    annotations = [{**box, "id": number} for number, box in enumerate(ground_truth["annotations"], start=1)]
    labels = hotcoco.COCO({**ground_truth, "annotations": annotations})
    results = labels.load_res(np.array(rows, dtype=np.float64) if rows else [])
    evaluation = hotcoco.COCOeval(labels, results, "bbox")
    # Numbers are read from the arrays: the library's summary is -1 with any other limit than COCO's.
    evaluation.params.maxDets = [1, 10, limit]
    evaluation.params.areaRng = [list(bounds) for bounds in SIZES.values()]
    evaluation.params.areaRngLbl = list(SIZES)
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation
