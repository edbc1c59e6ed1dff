"""Early in training a network gives thousands of boxes of low score: they must not make validation slow."""

import pytest
import torch

from tasks.records import LabelledImage
from tests.fakes.libraries import imported

SIZE, SIDE, STRIDE = 640, 4, 7
"""Side of the input, and of boxes that do not overlap on a grid, in pixels."""


@pytest.fixture(scope="module")
def worker(tmp_path_factory):
    return imported("tasks.training.worker.model.postprocess", tmp_path_factory.mktemp("libraries"))


def test_cases_e10_evaluation_takes_the_best_three_hundred_of_thousands_of_weak_boxes(worker):
    places = torch.arange(0, SIZE - SIDE, STRIDE)
    x, y = (axis.flatten().float() for axis in torch.meshgrid(places, places, indexing="ij"))
    boxes = torch.stack([x, y, x + SIDE, y + SIDE], dim=1)
    assert len(boxes) > 8000  # as many as a network of this size says
    scores = torch.linspace(0.011, 0.02, len(boxes))[:, None].repeat(1, 2)
    image = LabelledImage(file_name="a.jpg", split="valid", sha256="0" * 64, size=1, width=SIZE, height=SIZE, boxes=())
    detections = worker.detections_of(((boxes[None], scores[None]), None), [0], [image], SIZE)
    assert len(detections) == 300
    thousandth = sorted(scores.flatten().tolist(), reverse=True)[1000]
    assert min(one["score"] for one in detections) >= round(thousandth, 5)
