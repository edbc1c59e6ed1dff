"""Images without boxes: they are reported, and never become a score."""

import math

import pytest
from pydantic import ValidationError

from tasks.errors import BadInput
from tasks.evaluation.in_store import job_for
from tasks.metrics import coco_ground_truth, score
from tasks.records import Box, LabelledImage, SnapshotRef, SplitCounts

SHA = "1" * 64
LABELLED = SplitCounts(images=4, boxes=3, background=1)
EMPTY = SplitCounts(images=4, boxes=0, background=4)
VALUES = ("map", "map50", "map75", "precision", "recall", "threshold")


@pytest.mark.parametrize(
    ("splits", "measured"),
    [
        ({"test": LABELLED}, "test"),
        ({}, "valid"),
        ({"test": EMPTY}, "valid"),
    ],
)
def test_cases_a9_without_a_labelled_test_split_the_report_is_on_valid_and_says_so(splits, measured):
    splits = {"train": LABELLED, "valid": LABELLED, **splits}
    reference = SnapshotRef(snapshot_digest=SHA, classes=("cat",), splits=splits, findings=())
    assert job_for(SHA, reference).split == measured


def images(*boxes):
    """Four images, the first with boxes."""
    return [
        LabelledImage(
            file_name=f"{number}.jpg", split="valid", sha256=SHA, size=1, width=100, height=100,
            boxes=boxes if number == 0 else (),
        )
        for number in range(4)
    ]  # fmt: skip


@pytest.mark.parametrize("detections", [[], [{"image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.9}]])
def test_cases_b8_four_images_without_boxes_are_not_measurable(detections):
    with pytest.raises(BadInput, match="not measurable: 4 images hold no labelled box to find; label some"):
        score(coco_ground_truth(images(), ("cat",)), detections)


@pytest.mark.parametrize("detections", [[], [{"image_id": 1, "category_id": 2, "bbox": [1, 1, 9, 9], "score": 0.9}]])
def test_cases_b8_a_class_without_boxes_has_no_score_and_does_not_change_the_mean(detections):
    ground_truth = coco_ground_truth(images(Box(0, 10, 10, 30, 30)), ("cat", "dog"))
    hit = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.9}
    scores = score(ground_truth, [hit, *detections], intervals=True)
    assert (scores.map, scores.map50, scores.map75) == (1, 1, 1)
    assert (scores.per_class["dog"].ap, scores.per_class["dog"].ap50) == (None, None)
    assert "NaN" not in scores.model_dump_json()
    assert ":-1" not in scores.model_dump_json()


@pytest.mark.parametrize("bad", [math.nan, -1.0, math.inf])
def test_cases_b8_nan_and_minus_one_are_no_scores(bad):
    hit = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.9}
    scores = score(coco_ground_truth(images(Box(0, 10, 10, 30, 30)), ("cat",)), [hit])
    for part, names in ((scores, VALUES), (scores.per_class["cat"], ("ap", "ap50", "precision", "recall"))):
        assert type(part).model_validate(part.model_dump()) == part
        for name in names:
            with pytest.raises(ValidationError) as caught:
                type(part).model_validate(part.model_dump() | {name: bad})
            assert [error["loc"] for error in caught.value.errors()] == [(name,)]
