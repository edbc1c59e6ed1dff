"""Scores of boxes: no files, no images, no network.

Boxes of detections are COCO's: ``[x, y, width, height]`` in pixels of the image. Images and classes are joined by
id: image ids count from 1 in the order of the images, and a category id is the class index + 1.
"""

from tasks.metrics.comparison import compare, compare_map
from tasks.metrics.error_kinds import analyse
from tasks.metrics.matching import Matches, coco_ground_truth
from tasks.metrics.scoring import score, score_matches
from tasks.metrics.thresholds import choose_point

__all__ = [
    "Matches",
    "analyse",
    "choose_point",
    "coco_ground_truth",
    "compare",
    "compare_map",
    "score",
    "score_matches",
]
