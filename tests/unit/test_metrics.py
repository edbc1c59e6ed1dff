"""Scores: pycocotools is the judge, and a few cases are worked out by hand."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tasks.errors import BadInput
from tasks.metrics import coco_truth, score
from tasks.records import Box, LabelledImage

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


def random_set(seed, images=25, classes=4, crowds=0.15):
    """Pictures with and without boxes, and a detector that is sometimes right; scores tie often."""
    rng = np.random.default_rng(seed)
    boxes, detections = [], []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 7)):
            bbox = np.r_[rng.uniform(0, 60, 2), rng.uniform(5, 40, 2)]
            category = int(rng.integers(1, classes))  # the last class has no truths
            boxes.append((image, category, bbox.tolist(), int(rng.random() < crowds)))
            for _ in range(rng.integers(0, 3)):
                moved = (bbox + rng.normal(0, 2, 4)).clip(0.5).tolist()
                detections.append(found(round(float(rng.random()), 2), moved, image, category))
        crowded = image < 4  # more than the hundred detections that count
        for _ in range(rng.integers(110, 150) if crowded else rng.integers(0, 8)):
            bbox = np.r_[rng.uniform(0, 60, 2), rng.uniform(5, 40, 2)].tolist()
            category = 1 if crowded else int(rng.integers(1, classes + 1))
            detections.append(found(round(float(rng.random()), 2), bbox, image, category))
    return document(boxes, images, [f"class {i}" for i in range(classes)]), detections


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


def best_f1(evaluation, category_ids):
    """Best F1 at IoU 0.50 from pycocotools' matches, by trying every score."""
    matches = []
    for one in evaluation.evalImgs:
        if one and one["aRng"] == evaluation.params.areaRng[0] and one["category_id"] in category_ids:
            ignored = one["dtIgnore"][0]
            matches += [
                (value, match > 0)
                for value, match, skip in zip(one["dtScores"], one["dtMatches"][0], ignored, strict=True)
                if not skip
            ]
    truths = sum(not a["iscrowd"] for a in evaluation.cocoGt.dataset["annotations"] if a["category_id"] in category_ids)
    best = (-1.0, 0.0, 0.0, 0.0)
    for threshold in sorted({value for value, _ in matches}):
        kept = [hit for value, hit in matches if value >= threshold]
        f1 = 2 * sum(kept) / (len(kept) + truths)
        best = max(best, (f1, threshold, sum(kept) / len(kept), sum(kept) / truths))
    return best[1:]


@pytest.mark.parametrize("seed", range(6))
def test_equals_pycocotools(seed):
    truth, detections = random_set(seed)
    scores = score(truth, detections)
    judge = judged(truth, detections)
    assert [scores.map, scores.map50, scores.map75] == pytest.approx(judge.stats[:3], abs=1e-9)
    for index, entry in enumerate(scores.per_class.values()):
        precision = judge.eval["precision"][:, :, index, 0, 2]
        if index == 3:
            assert (entry.ap, entry.ap50, entry.truths) == (None, None, 0)
        else:
            assert [entry.ap, entry.ap50] == pytest.approx([precision.mean(), precision[0].mean()], abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_precision_recall_and_threshold_equal_a_search_over_all_scores(seed):
    truth, detections = random_set(seed)
    scores, judge = score(truth, detections), judged(truth, detections)
    got = (scores.threshold, scores.precision, scores.recall)
    assert got == pytest.approx(best_f1(judge, {1, 2, 3, 4}), abs=1e-12)
    for category_id, entry in enumerate(list(scores.per_class.values())[:3], start=1):
        got = (entry.threshold, entry.precision, entry.recall)
        assert got == pytest.approx(best_f1(judge, {category_id}), abs=1e-12)


def test_hand_worked_threshold():
    # Ranked: hit .9, miss .8, hit .7, miss .6; three truths. F1: 1/2, 2/5, 2/3, 4/7.
    truth = document([(1, 1, BOX), (1, 1, ELSEWHERE), (2, 1, BOX)], images=2)
    nowhere = [40.0, 0.0, 5.0, 5.0]
    scores = score(truth, [found(0.6, nowhere), found(0.9), found(0.8, nowhere), found(0.7, image=2)])
    assert (scores.threshold, scores.precision, scores.recall) == pytest.approx((0.7, 2 / 3, 2 / 3))


def test_second_box_on_a_found_truth_is_false():
    scores = score(document([(1, 1, BOX)]), [found(0.9), found(0.9, [11.0, 10.0, 20.0, 20.0])])
    assert (scores.precision, scores.recall, scores.threshold) == (0.5, 1.0, 0.9)


def test_of_equal_f1_the_higher_threshold_is_taken():
    # .9 alone: 2*1/(1+2); all four: 2*2/(4+2). Both 2/3.
    truth = document([(1, 1, BOX), (1, 1, ELSEWHERE)])
    nowhere = [40.0, 0.0, 5.0, 5.0]
    scores = score(truth, [found(0.9), found(0.5, nowhere), found(0.4, nowhere), found(0.3, ELSEWHERE)])
    assert (scores.threshold, scores.precision, scores.recall) == (0.9, 1.0, 0.5)


def test_equal_scores_pass_a_threshold_together():
    truth = document([(1, 1, BOX)])
    scores = score(truth, [found(0.5), found(0.5, ELSEWHERE)])
    assert (scores.threshold, scores.precision, scores.recall) == (0.5, 0.5, 1.0)


def test_detections_on_a_crowd_do_not_count():
    truth = document([(1, 1, BOX), (1, 1, ELSEWHERE, 1)])
    scores = score(truth, [found(0.9), found(0.8, ELSEWHERE)])
    assert (scores.map, scores.precision, scores.recall, scores.per_class["apple"].truths) == (1.0, 1.0, 1.0, 1)


def test_false_boxes_of_a_class_without_truths_lower_precision_not_map():
    scores = score(document([(1, 1, BOX)]), [found(0.5), found(0.9, category=2)])
    assert (scores.map, scores.precision) == (1.0, 0.5)
    assert scores.per_class["pear"].model_dump() == {
        "ap": None, "ap50": None, "precision": None, "recall": None, "threshold": None, "truths": 0,
    }  # fmt: skip


def test_perfect_box_scores_one():
    scores = score(document([(1, 1, BOX)]), [found(0.9)])
    assert (scores.map, scores.map50, scores.map75, scores.precision, scores.recall) == (1, 1, 1, 1, 1)


def test_annotation_id_zero_is_a_hit():
    truth = document([(1, 1, BOX), (1, 1, ELSEWHERE)])
    truth["annotations"][0]["id"] = 0
    truth["annotations"][1]["id"] = 1
    assert score(truth, [found(0.9), found(0.8, ELSEWHERE)]).map == 1.0


@pytest.mark.parametrize("intervals", [False, True])
def test_no_detections_score_zero(intervals):
    scores = score(document([(1, 1, BOX), (1, 2, BOX)]), [], intervals=intervals)
    assert (scores.map, scores.map50, scores.precision, scores.recall, scores.threshold) == (0, 0, 0, 0, 0)
    assert (scores.per_class["apple"].ap, scores.per_class["apple"].recall) == (0.0, 0.0)
    assert scores.ci95 == ({"map": (0.0, 0.0), "map50": (0.0, 0.0)} if intervals else {})


@pytest.mark.parametrize("boxes", [[], [(1, 1, BOX, 1)]])
def test_without_a_box_to_find_nothing_is_measurable(boxes):
    with pytest.raises(BadInput, match="not measurable: 1 pictures hold no labelled box"):
        score(document(boxes), [found(0.9)])


def test_cutting_by_score_lowers_map():
    boxes = [(1, 1, [2.0 * i, 5.0 * (i % 10), 1.5, 4.0]) for i in range(40)]
    detections = [found(i / 40, bbox) for i, (_, _, bbox) in enumerate(boxes)]
    whole, cut = score(document(boxes), detections), score(document(boxes), detections[10:])
    assert whole.map == 1.0
    assert cut.map == pytest.approx(76 / 101)


def test_labels_become_a_coco_document():
    image = LabelledImage(
        file_name="a.jpg", split="valid", sha256="0" * 64, size=1, width=64, height=48, boxes=(Box(1, 2, 3, 12, 23),)
    )
    truth = coco_truth([image, image.model_copy(update={"boxes": ()})], ["apple", "pear"])
    assert [one["id"] for one in truth["images"]] == [1, 2]
    assert truth["annotations"] == [
        {"id": 1, "image_id": 1, "category_id": 2, "bbox": [2, 3, 10, 20], "area": 200, "iscrowd": 0}
    ]
    assert truth["categories"] == [{"id": 1, "name": "apple"}, {"id": 2, "name": "pear"}]


def test_intervals_hold_the_score_and_repeat():
    truth, detections = random_set(1)
    scores = score(truth, detections, intervals=True, seed=3)
    for name in ("map", "map50"):
        low, high = scores.ci95[name]
        assert 0 <= low < getattr(scores, name) < high <= 1
    assert score(truth, detections, intervals=True, seed=3).ci95 == scores.ci95
    assert score(truth, detections, intervals=True, seed=4).ci95 != scores.ci95


def test_intervals_are_those_of_pictures_really_drawn_twice():
    truth, detections = random_set(2, images=12, classes=3)
    drawn = []
    for draw in np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12), size=300):
        ids = np.repeat(np.arange(1, 13), draw)
        boxes = [
            (number, a["category_id"], a["bbox"], a["iscrowd"])
            for number, old in enumerate(ids, start=1)
            for a in truth["annotations"]
            if a["image_id"] == old
        ]
        copies = [
            {**one, "image_id": number}
            for number, old in enumerate(ids, start=1)
            for one in detections
            if one["image_id"] == old
        ]
        drawn.append(score(document(boxes, 12, ("a", "b", "c")), copies).map)
    scores = score(truth, detections, intervals=True, seed=0)
    assert (scores.ci95["map"][1] - scores.map) / 1.96 == pytest.approx(np.std(drawn), rel=0.01)
