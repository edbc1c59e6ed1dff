"""An evaluation in which nothing is right says so first, why, and what it costs."""

import pytest

from tasks import metrics
from tasks.evaluation.measure import MeasuredImages, measure
from tasks.evaluation.report.answers import answers
from tasks.evaluation.report.content import ReportContent
from tasks.evaluation.report.first_line import nothing_right_in
from tasks.records import Box, LabelledImage, OperatingPoint, SplitCounts

IMAGES = [
    LabelledImage(
        file_name=f"{number}.jpg", split="valid", sha256="1" * 64, size=1, width=100, height=100,
        boxes=(Box(0, 10, 10, 30, 30), Box(1, 50, 50, 90, 90)),
    )
    for number in range(3)
]  # fmt: skip
RIGHT = {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.4}
WRONG_CLASS = {**RIGHT, "category_id": 2}
ELSEWHERE = {**RIGHT, "bbox": [70, 5, 10, 10]}


def evaluation(detections, threshold=None):
    matches = metrics.Matches(metrics.coco_ground_truth(IMAGES, ("cat", "dog")), detections)
    point = metrics.choose_point(matches)
    if threshold is not None:
        point = OperatingPoint(threshold_for="balance", threshold=threshold, per_class={}, chosen_on="valid")
    return measure(matches, detections, point, MeasuredImages("valid", SplitCounts(images=3, boxes=6, background=0)))


@pytest.mark.parametrize(
    ("detections", "threshold", "line"),
    [
        ([], None, "No detections: all 6 labelled boxes are missed, which costs all of mAP50 (1.000)."),
        (
            [WRONG_CLASS, ELSEWHERE, {**ELSEWHERE, "image_id": 2}],
            None,
            "3 detections, but none fits (wrong class 1, false positive (invented) 2): "
            "all 6 labelled boxes are missed, which costs all of mAP50 (1.000).",
        ),
        # One of three cats is found: AP50 of cat is 34/101 of COCO's points, of dog 0.
        (
            [RIGHT],
            0.5,
            "No detection above the threshold 0.500: all 6 labelled boxes are missed there; "
            "over all thresholds mAP50 is 0.168, so a lower one finds more.",
        ),
        (
            [RIGHT, {**ELSEWHERE, "score": 0.9}],
            0.5,
            "1 detection, but none fits, above the threshold 0.500: all 6 labelled boxes are missed there; "
            "over all thresholds mAP50 is 0.084, so a lower one finds more.",
        ),
    ],
)
def test_cases_nothing_right_is_the_first_line(detections, threshold, line):
    result = evaluation(detections, threshold)
    assert nothing_right_in(result) == line
    assert answers(ReportContent(title="t", evaluation=result))[0][1] == line


def test_cases_a_single_right_detection_has_scores():
    assert nothing_right_in(evaluation([RIGHT, ELSEWHERE])) is None


def test_cases_where_nothing_is_found_no_mistake_is_said_to_cost_nothing():
    mistakes = answers(ReportContent(title="t", evaluation=evaluation([])))[2][1]
    assert mistakes.startswith("Nothing is found")
