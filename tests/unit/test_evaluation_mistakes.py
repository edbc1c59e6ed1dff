"""Kinds of mistakes, on sets so small that every number is worked out by hand."""

import pytest

from tasks.metrics import Matches, analyse, choose_point
from tests.fakes.coco import BOX, ELSEWHERE, detection, document

NOWHERE = [40.0, 0.0, 10.0, 10.0]


def analysis(boxes, detections, threshold=0.5, images=1):
    return analyse(Matches(document(boxes, images), detections), detections, threshold)


def test_the_confusion_matrix_has_labels_in_rows_and_background_last():
    boxes = [(1, 1, BOX), (1, 2, ELSEWHERE), (2, 1, BOX), (3, 2, BOX)]
    detections = [
        detection(0.9),  # right
        detection(0.8, ELSEWHERE, 1, 1),  # a pear taken for an apple
        detection(0.7, NOWHERE),  # nothing there
        detection(0.6, BOX, 3, 2),  # right
        detection(0.4, BOX, 2, 1),  # right, but below the threshold: a false negative
    ]
    assert analysis(boxes, detections, images=3).confusion == ((1, 0, 1), (1, 1, 0), (1, 0, 0))


@pytest.mark.parametrize(
    ("detections", "kind", "count", "cost"),
    [
        # One of two apples found; with the other, AP50 would be 1 instead of 51 of 101 points.
        ([detection(0.9)], "Miss", 1, 50 / 101),
        # Precision at full recall is 2 of 3 behind a false positive that comes first, and 1 without it.
        ([detection(0.9), detection(0.8, ELSEWHERE), detection(0.95, NOWHERE)], "Bkg", 1, 1 / 3),
        # Moved by a third: IoU 200/600.
        ([detection(0.9), detection(0.95, [70.0, 60.0, 20.0, 20.0])], "Loc", 1, 0.747),
    ],
)
def test_errors_have_their_cost_in_ap50(detections, kind, count, cost):
    shares = analysis([(1, 1, BOX), (1, 1, ELSEWHERE)], detections).errors
    assert (shares[0].kind, shares[0].count) == (kind, count)
    assert shares[0].ap50_cost == pytest.approx(cost, abs=0.01)
    assert [share.ap50_cost for share in shares] == sorted((share.ap50_cost for share in shares), reverse=True)


def test_calibration_error_is_the_gap_of_score_and_precision():
    # Of ten boxes that say 0.85 three are right: a gap of 0.55, and there is no other bin.
    places = [[float(20 * i), 0.0, 10.0, 10.0] for i in range(10)]
    calibration = analysis(
        [(1, 1, place) for place in places[:3]], [detection(0.85, place) for place in places]
    ).calibration
    assert calibration.ece == pytest.approx(0.55)
    (used,) = [one for one in calibration.bins if one.count]
    assert (used.low, used.high, used.count, used.score, used.precision) == pytest.approx((0.8, 0.9, 10, 0.85, 0.3))
    assert all(one.score is None and one.precision is None for one in calibration.bins if one is not used)


def test_labels_that_contradict_a_confident_detection_are_suspected_errors():
    boxes = [(1, 1, BOX), (1, 2, ELSEWHERE)]
    detections = [
        detection(0.9),
        detection(0.95, ELSEWHERE, 1, 1),
        detection(0.8, NOWHERE),
        detection(0.45, [0.0, 60.0, 9.0, 9.0]),
    ]
    suspected_errors = analysis(boxes, detections, threshold=0.3).suspected_errors
    assert [(one.kind, one.found, one.labelled, one.score, one.box) for one in suspected_errors] == [
        ("wrong class", "apple", "pear", 0.95, (60, 60, 80, 80)),
        ("missing label", "apple", None, 0.8, (40, 0, 50, 10)),
    ]
    assert {one.file_name for one in suspected_errors} == {"1.jpg"}


def test_curves_have_the_right_ends():
    boxes = [(1, 1, BOX), (1, 2, ELSEWHERE)]
    curves = analysis(boxes, [detection(0.9), detection(0.6, NOWHERE)]).curves
    assert set(curves) == {"", "apple", "pear"}
    overall = curves[""].by_threshold
    assert (overall.precision[0], overall.recall[0]) == (0.5, 0.5)
    assert (overall.precision[61], overall.recall[61], overall.f1[61]) == pytest.approx((1.0, 0.5, 2 / 3), abs=1e-4)
    assert (overall.precision[90], overall.precision[91], overall.recall[91]) == (1.0, 0.0, 0.0)
    assert curves["apple"].precision_at_recall == (1.0,) * 101
    assert set(curves["pear"].precision_at_recall) == {0.0}
    assert curves[""].precision_at_recall[100] == 0.5


def test_an_evaluation_without_detections_has_an_analysis():
    result = analysis([(1, 1, BOX)], [])
    assert result.confusion == ((0, 0, 1), (0, 0, 0), (0, 0, 0))
    assert (result.suspected_errors, result.calibration.ece) == ((), 0.0)
    assert choose_point(Matches(document([(1, 1, BOX)]), [])).per_class == {}
