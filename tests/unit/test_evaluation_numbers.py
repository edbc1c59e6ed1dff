"""Scores equal those of pycocotools, and a few cases are worked out by hand."""

import numpy as np
import pytest

from tasks.errors import BadInput
from tasks.labeling.findings import FindingCounter
from tasks.labeling.snapshot import make_snapshot
from tasks.metrics import Matches, choose_point, coco_ground_truth, score, score_matches
from tasks.metrics.bootstrap import draw_resamples, score_resamples
from tasks.records import Box, LabelledImage, LabelSource
from tasks.records.base import SPLITS
from tests.fakes.coco import BOX, ELSEWHERE, detection, document, pycocotools_evaluation


def random_set(seed, images=25, classes=4, crowds=0.15):
    """Images with and without boxes, and a detector that is sometimes right; scores tie often."""
    rng = np.random.default_rng(seed)
    boxes, detections = [], []
    for image in range(1, images + 1):
        for _ in range(rng.integers(0, 7)):
            bbox = np.r_[rng.uniform(0, 60, 2), rng.uniform(5, 40, 2)]
            category = int(rng.integers(1, classes))  # the last class has no boxes
            boxes.append((image, category, bbox.tolist(), int(rng.random() < crowds)))
            for _ in range(rng.integers(0, 3)):
                moved = (bbox + rng.normal(0, 2, 4)).clip(0.5).tolist()
                detections.append(detection(round(float(rng.random()), 2), moved, image, category))
        crowded = image < 4  # more than the hundred detections that count
        for _ in range(rng.integers(110, 150) if crowded else rng.integers(0, 8)):
            bbox = np.r_[rng.uniform(0, 60, 2), rng.uniform(5, 40, 2)].tolist()
            category = 1 if crowded else int(rng.integers(1, classes + 1))
            detections.append(detection(round(float(rng.random()), 2), bbox, image, category))
    return document(boxes, images, [f"class {i}" for i in range(classes)]), detections


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
    box_count = sum(
        not a["iscrowd"] for a in evaluation.cocoGt.dataset["annotations"] if a["category_id"] in category_ids
    )
    best = (-1.0, 0.0, 0.0, 0.0)
    for threshold in sorted({value for value, _ in matches}):
        kept = [hit for value, hit in matches if value >= threshold]
        f1 = 2 * sum(kept) / (len(kept) + box_count)
        best = max(best, (f1, threshold, sum(kept) / len(kept), sum(kept) / box_count))
    return best[1:]


@pytest.mark.parametrize("seed", range(6))
def test_cases_e9_equals_pycocotools(seed):
    ground_truth, detections = random_set(seed)
    scores = score(ground_truth, detections)
    reference = pycocotools_evaluation(ground_truth, detections)
    assert [scores.map, scores.map50, scores.map75] == pytest.approx(reference.stats[:3], abs=1e-12)
    *labelled, absent = scores.per_class.values()
    assert len(labelled) == 3
    assert (absent.ap, absent.ap50, absent.truths) == (None, None, 0)
    for index, entry in enumerate(labelled):
        precision = reference.eval["precision"][:, :, index, 0, 2]
        assert [entry.ap, entry.ap50] == pytest.approx([precision.mean(), precision[0].mean()], abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_precision_recall_and_threshold_equal_a_search_over_all_scores(seed):
    ground_truth, detections = random_set(seed)
    scores, reference = score(ground_truth, detections), pycocotools_evaluation(ground_truth, detections)
    got = (scores.threshold, scores.precision, scores.recall)
    assert got == pytest.approx(best_f1(reference, {1, 2, 3, 4}), abs=1e-12)
    for category_id, entry in enumerate(list(scores.per_class.values())[:3], start=1):
        of_class = (entry.threshold, entry.precision, entry.recall)
        assert of_class == pytest.approx(best_f1(reference, {category_id}), abs=1e-12)


def test_the_threshold_has_the_best_f1():
    # Ranked: true .9, false .8, true .7, false .6; three boxes. F1: 1/2, 2/5, 2/3, 4/7.
    ground_truth = document([(1, 1, BOX), (1, 1, ELSEWHERE), (2, 1, BOX)], images=2)
    nowhere = [40.0, 0.0, 5.0, 5.0]
    scores = score(
        ground_truth, [detection(0.6, nowhere), detection(0.9), detection(0.8, nowhere), detection(0.7, image=2)]
    )
    assert (scores.threshold, scores.precision, scores.recall) == pytest.approx((0.7, 2 / 3, 2 / 3))


def test_a_second_detection_of_a_box_is_a_false_positive():
    scores = score(document([(1, 1, BOX)]), [detection(0.9), detection(0.9, [11.0, 10.0, 20.0, 20.0])])
    assert (scores.precision, scores.recall, scores.threshold) == (0.5, 1.0, 0.9)


def test_of_equal_f1_the_higher_threshold_is_taken():
    # .9 alone: 2*1/(1+2); all four: 2*2/(4+2). Both 2/3.
    ground_truth = document([(1, 1, BOX), (1, 1, ELSEWHERE)])
    nowhere = [40.0, 0.0, 5.0, 5.0]
    scores = score(
        ground_truth, [detection(0.9), detection(0.5, nowhere), detection(0.4, nowhere), detection(0.3, ELSEWHERE)]
    )
    assert (scores.threshold, scores.precision, scores.recall) == (0.9, 1.0, 0.5)


def test_equal_scores_pass_a_threshold_together():
    ground_truth = document([(1, 1, BOX)])
    scores = score(ground_truth, [detection(0.5), detection(0.5, ELSEWHERE)])
    assert (scores.threshold, scores.precision, scores.recall) == (0.5, 0.5, 1.0)


def test_detections_on_a_crowd_do_not_count():
    ground_truth = document([(1, 1, BOX), (1, 1, ELSEWHERE, 1)])
    scores = score(ground_truth, [detection(0.9), detection(0.8, ELSEWHERE)])
    assert (scores.map, scores.precision, scores.recall, scores.per_class["apple"].truths) == (1.0, 1.0, 1.0, 1)


def test_false_positives_of_a_class_without_boxes_lower_precision_but_not_map():
    scores = score(document([(1, 1, BOX)]), [detection(0.5), detection(0.9, category=2)])
    assert (scores.map, scores.precision) == (1.0, 0.5)
    assert scores.per_class["pear"].model_dump(exclude_defaults=True) == {
        "truths": 0, "missing": "no labelled box of this class here",
    }  # fmt: skip
    assert scores.classes_measured == 1


def test_cases_e2_perfect_box_scores_one():
    scores = score(document([(1, 1, BOX)]), [detection(0.9)])
    assert (scores.map, scores.map50, scores.map75, scores.precision, scores.recall) == (1, 1, 1, 1, 1)


def test_cases_e1_annotation_id_zero_is_a_hit():
    ground_truth = document([(1, 1, BOX), (1, 1, ELSEWHERE)])
    ground_truth["annotations"][0]["id"] = 0
    ground_truth["annotations"][1]["id"] = 1
    assert score(ground_truth, [detection(0.9), detection(0.8, ELSEWHERE)]).map == 1.0


@pytest.mark.parametrize("intervals", [False, True])
def test_cases_e4_no_detections_score_zero(intervals):
    scores = score(document([(1, 1, BOX), (1, 2, BOX)]), [], intervals=intervals)
    assert (scores.map, scores.map50, scores.precision, scores.recall, scores.threshold) == (0, 0, 0, 0, 0)
    assert (scores.per_class["apple"].ap, scores.per_class["apple"].recall) == (0.0, 0.0)
    assert scores.min_score is None
    assert set(scores.ci95.values()) == ({(0.0, 1.0)} if intervals else set())  # of one image nothing is known


@pytest.mark.parametrize("boxes", [[], [(1, 1, BOX, 1)]])
def test_cases_b8_without_a_box_to_find_nothing_is_measurable(boxes):
    with pytest.raises(BadInput, match="not measurable: 1 images hold no labelled box"):
        score(document(boxes), [detection(0.9)])


def test_cases_e6_a_confidence_threshold_lowers_map():
    boxes = [(1, 1, [2.0 * i, 5.0 * (i % 10), 1.5, 4.0]) for i in range(40)]
    detections = [detection(i / 40, bbox) for i, (_, _, bbox) in enumerate(boxes)]
    whole, cut = score(document(boxes), detections), score(document(boxes), detections[10:])
    assert whole.map == 1.0
    assert cut.map == pytest.approx(76 / 101)


def test_labels_become_a_coco_document():
    image = LabelledImage(
        file_name="a.jpg", split="valid", sha256="0" * 64, size=1, width=64, height=48, boxes=(Box(1, 2, 3, 12, 23),)
    )
    ground_truth = coco_ground_truth([image, image.model_copy(update={"boxes": ()})], ["apple", "pear"])
    assert [one["id"] for one in ground_truth["images"]] == [1, 2]
    assert ground_truth["annotations"] == [
        {"id": 1, "image_id": 1, "category_id": 2, "bbox": [2, 3, 10, 20], "area": 200, "iscrowd": 0}
    ]
    assert ground_truth["categories"] == [{"id": 1, "name": "apple"}, {"id": 2, "name": "pear"}]


def test_intervals_contain_the_score_and_are_reproducible():
    ground_truth, detections = random_set(1)
    scores = score(ground_truth, detections, intervals=True, seed=3)
    for name in ("map", "map50", "map75", "ar", "precision", "recall", "f1"):
        low, high = scores.ci95[name]
        assert 0 <= low < getattr(scores, name) < high <= 1
    assert score(ground_truth, detections, intervals=True, seed=3).ci95 == scores.ci95
    assert score(ground_truth, detections, intervals=True, seed=4).ci95 != scores.ci95


def test_a_resample_scores_as_the_images_really_repeated():
    ground_truth, detections = random_set(2, images=12, classes=3)
    for number, one in enumerate(detections):  # scores that tie within an image have no order that copies keep
        one["score"] += number * 1e-6
    matches = Matches(ground_truth, detections)
    draws = draw_resamples(matches, 40, seed=0)
    resampled = score_resamples(matches, draws)
    for number, weights in enumerate(draws):
        ids = np.repeat(np.arange(1, 13), weights)
        boxes = [
            (image, a["category_id"], a["bbox"], a["iscrowd"])
            for image, old in enumerate(ids, start=1)
            for a in ground_truth["annotations"]
            if a["image_id"] == old
        ]
        copies = [
            {**one, "image_id": image}
            for image, old in enumerate(ids, start=1)
            for one in detections
            if one["image_id"] == old
        ]
        reference = pycocotools_evaluation(document(boxes, 12, ("a", "b", "c")), copies)
        precision, recall = reference.eval["precision"][..., 0, 2].mean(axis=1), reference.eval["recall"][..., 0, 2]
        assert np.nan_to_num(resampled.ap[number], nan=-1) == pytest.approx(precision, abs=1e-12)
        assert np.nan_to_num(resampled.recall[number], nan=-1) == pytest.approx(recall, abs=1e-12)


def test_map_by_size_and_recall_equal_pycocotools():
    rng = np.random.default_rng(5)
    boxes, detections = [], []
    for image in range(1, 40):
        for side in (12.0, 50.0, 150.0):
            bbox = [*rng.uniform(0, 300, 2).tolist(), side * float(rng.uniform(0.8, 1.2)), side]
            boxes.append((image, int(rng.integers(1, 3)), bbox))
            moved = (np.array(bbox) + rng.normal(0, side / 20, 4)).clip(1).tolist()
            detections.append(detection(float(rng.random()), moved, image, int(rng.integers(1, 3))))
    ground_truth = document(boxes, 40)
    scores, reference = score(ground_truth, detections), pycocotools_evaluation(ground_truth, detections)
    got = [scores.map, scores.map50, scores.map75, scores.map_small, scores.map_medium, scores.map_large]
    assert got == pytest.approx(reference.stats[:6], abs=1e-12)
    assert scores.ar == pytest.approx(reference.stats[8], abs=1e-12)
    assert all(value is not None and value > 0 for value in got)


def test_a_size_without_boxes_has_no_number():
    scores = score(document([(1, 1, BOX)]), [detection(0.9)])
    assert (scores.map_small, scores.map_medium, scores.map_large) == (1.0, None, None)


def test_cases_e2_the_limit_of_detections_rises_with_the_boxes():
    """One hundred and fifty boxes of one class in one image, all found: COCO's hundred would make it two thirds."""
    boxes = [(1, 1, [float(10 * (i % 15)), float(10 * (i // 15)), 8.0, 8.0]) for i in range(150)]
    scores = score(document(boxes), [detection(0.9 - i / 1000, bbox) for i, (_, _, bbox) in enumerate(boxes)])
    assert (scores.map, scores.ar, scores.detections_limit) == (1.0, 1.0, 150)


def test_thresholds_of_another_split_are_applied():
    valid = Matches(document([(1, 1, BOX)]), [detection(0.6), detection(0.4, ELSEWHERE)])
    point = choose_point(valid, chosen_on="valid")
    assert (point.threshold, point.per_class, point.chosen_on) == (0.6, {"apple": 0.6}, "valid")
    # Here the true positive scores less than the threshold, and a false positive more.
    test = Matches(document([(1, 1, BOX), (1, 2, ELSEWHERE)]), [detection(0.5), detection(0.7, [0.0, 0.0, 5.0, 5.0])])
    scores = score_matches(test, point)
    assert (scores.precision, scores.recall, scores.f1, scores.threshold_from) == (0.0, 0.0, 0.0, "valid")
    assert scores.per_class["pear"].threshold is None


@pytest.mark.parametrize(("threshold_for", "threshold"), [("precision", 0.9), ("balance", 0.7), ("recall", 0.3)])
def test_the_threshold_depends_on_what_it_is_chosen_for(threshold_for, threshold):
    """Five boxes; each set of scores has one threshold where the F-beta of its goal is highest."""
    places = [[float(20 * i), 0.0, 10.0, 10.0] for i in range(5)]
    nowhere = [[float(20 * i), 60.0, 10.0, 10.0] for i in range(20)]
    ground_truth = document([(1, 1, place) for place in places])
    hits = {
        "precision": [0.9, 0.9, 0.2, 0.2, 0.2],
        "balance": [0.9, 0.7, 0.7, 0.7, 0.1],
        "recall": [0.9, 0.3, 0.3, 0.3, 0.3],
    }
    false_positives = {"precision": [0.2] * 9, "balance": [0.8] + [0.1] * 9, "recall": [0.8, 0.3, 0.3]}
    detections = [detection(s, place) for s, place in zip(hits[threshold_for], places, strict=True)]
    detections += [detection(s, place) for s, place in zip(false_positives[threshold_for], nowhere, strict=False)]
    assert choose_point(Matches(ground_truth, detections), threshold_for).threshold == threshold


def test_versions_of_one_image_and_frames_of_one_clip_are_one_source():
    ground_truth = document([(1, 1, BOX)], images=5)
    for image, name in zip(
        ground_truth["images"], ["a_jpg.rf.1.jpg", "a_jpg.rf.2.jpg", "c_mp4-1.jpg", "c_mp4-2.jpg", "b.jpg"], strict=True
    ):
        image["file_name"] = name
    assert Matches(ground_truth, []).sources.tolist() == [0, 0, 1, 1, 2]


@pytest.mark.parametrize(("box", "codes"), [((2, 2, 30, 30), set()), ((30, 30, 2, 2), {"truth-not-perfect"})])
def test_labels_that_do_not_score_1_as_their_own_detections_are_an_error(box, codes):
    """A box inside out, which no reader lets through, stands for a fault that nobody thought of."""
    images = [
        LabelledImage(
            file_name=f"{split}.jpg", split=split, sha256=str(number) * 64, size=1, width=64, height=48,
            boxes=(Box(0, 1, 1, 9, 9), Box(0, *box)),
        )
        for number, split in enumerate(SPLITS)
    ]  # fmt: skip
    findings = FindingCounter()
    hashes, source = dict.fromkeys((one.sha256 for one in images), 0), LabelSource(kind="file", name="x")
    snapshot = make_snapshot(("cat",), images, hashes, source, findings)
    assert {finding.code for finding in findings.summary() if finding.severity == "error"} == codes
    assert (snapshot is None) is bool(codes)


@pytest.mark.parametrize(("images", "low"), [(2, 0.0), (10, 0.7), (60, 0.95)])
def test_a_perfect_score_of_few_images_is_uncertain(images, low):
    """None of n images showed an error: up to 3/n of all images may, with 95 % confidence (the rule of three)."""
    boxes = [(image, 1, BOX) for image in range(1, images + 1)]
    scores = score(document(boxes, images), [detection(0.9, image=image) for image, _, _ in boxes], intervals=True)
    assert scores.ci95["map"] == scores.ci95["precision"] == scores.per_class["apple"].ci95["recall"] == (low, 1.0)
