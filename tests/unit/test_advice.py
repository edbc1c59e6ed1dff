"""The rules of the advice: hand-made numbers in, the right sentence out."""

import pytest

from tasks.evaluation.report.advice.certainty import how_sure
from tasks.evaluation.report.advice.labels import classes_lacking_labels, images_for, labels_enough
from tasks.evaluation.report.advice.stopping import best_epoch, overfits_since, plateau_since, when_to_stop
from tasks.metrics.history import still_rising
from tasks.records import ClassScore
from tests.fakes import evaluations as fakes
from tests.fakes.learning import study


def evaluation(*, sources=40, **changes):
    classes = ("cat", "dog")
    return fakes.evaluation(classes, sources=sources, scores=fakes.scores(classes, **changes))


def class_score(box_count, low, high):
    return ClassScore(ap=0.5, ap50=0.5, precision=0.5, recall=0.5, truths=box_count, ci95={"ap": (low, high)})


def text_of(advice):
    return " ".join(sentence.text for sentence in advice)


# Certainty ----------------------------------------------------------------------------------------


def test_the_interval_of_map_is_shown_with_its_half_width():
    text = how_sure(evaluation(ci95={"map": (0.3, 0.5)}))[0].text
    assert "mAP lies between 0.300 and 0.500" in text
    assert "0.412, give or take about 0.100" in text


def test_without_intervals_the_certainty_is_not_known():
    text = text_of(how_sure(evaluation(ci95={}, per_class={})))
    assert "not known" in text
    assert "95 %" not in text


def test_leaks_between_splits_are_repeated():
    leak = "video clips with frames in more than one split: 3; scores will flatter, keep a clip in one split"
    assert f"V{leak[1:]}." in text_of(how_sure(evaluation().model_copy(update={"leaks": (leak,)})))


@pytest.mark.parametrize(("sources", "is_few"), [(1, True), (19, True), (20, False), (400, False)])
def test_few_sources_make_the_intervals_too_narrow(sources, is_few):
    text = text_of(how_sure(evaluation(sources=sources)))
    assert ("the intervals themselves are too narrow" in text) == is_few
    assert ("Only one source image is measured" in text) == (sources == 1)


def test_classes_with_wide_intervals_are_named_the_widest_first():
    classes = {"a": class_score(50, 0.3, 0.6), "b": class_score(50, 0.2, 0.6), "c": class_score(50, 0.1, 0.8)}
    sentence = next(
        one for one in how_sure(evaluation(per_class=classes, classes_measured=3)) if "hardly known" in one.text
    )
    # 0.3 to 0.6 is exactly as wide as allowed.
    assert sentence.text == "The AP of 2 of 3 classes is hardly known: c (0.10 to 0.80), b (0.20 to 0.60)."
    assert sentence.rule == "Interval of AP wider than 0.30 from end to end."


def test_a_threshold_chosen_on_the_same_images_flatters():
    assert "chosen on these same images" in text_of(how_sure(evaluation(threshold_from=None)))
    assert "chosen on these same images" not in text_of(how_sure(evaluation(threshold_from="valid")))


# Labels -------------------------------------------------------------------------------------------


def test_halving_the_interval_takes_four_times_the_images():
    text = labels_enough(evaluation(sources=40, ci95={"map": (0.31, 0.51)}))[0].text
    assert "160 source images (40 now)" in text
    # From 0.10 to 0.05 is half: four times as many again.
    assert "±0.05 (now ±0.100) it takes about 160." in text
    assert "±0.05" not in labels_enough(evaluation(ci95={"map": (0.36, 0.46)}))[0].text


@pytest.mark.parametrize(("half", "images"), [(0.1, 160), (0.05, 40), (0.07, 79), (0.025, 10)])
def test_the_width_falls_with_the_square_root_of_the_images(half, images):
    assert images_for(40, half, 0.05) == images


def test_without_an_interval_there_is_nothing_to_halve():
    for intervals in ({}, {"map": (0.4, 0.4)}):
        assert "halve" not in text_of(labels_enough(evaluation(ci95=intervals)))


def test_classes_lacking_labels_are_sorted_by_boxes_then_by_width():
    scores = fakes.scores(
        ("cat",),
        per_class={
            "enough": class_score(10, 0.3, 0.6),
            "wide": class_score(80, 0.1, 0.5),
            "wider": class_score(80, 0.1, 0.7),
            "one": class_score(1, 0.4, 0.5),
            "nine": class_score(9, 0.4, 0.5),
            "none": ClassScore(truths=0, missing="no labelled box of this class here"),
        },
    )
    assert classes_lacking_labels(scores) == [
        ("none", "no boxes"),
        ("one", "1 box, AP 0.40 to 0.50"),
        ("nine", "9 boxes, AP 0.40 to 0.50"),
        ("wider", "80 boxes, AP 0.10 to 0.70"),
        ("wide", "80 boxes, AP 0.10 to 0.50"),
    ]


def test_no_more_than_five_classes_are_named():
    classes = {f"c{n}": class_score(n, 0.4, 0.5) for n in range(1, 9)}
    text = text_of(labels_enough(evaluation(per_class=classes)))
    assert "c5 (5 boxes, AP 0.40 to 0.50) and 3 more." in text
    assert "c6" not in text


def test_it_says_that_no_class_lacks_labels():
    text = text_of(labels_enough(evaluation(per_class={"cat": class_score(30, 0.4, 0.5)})))
    assert "No class stands out" in text


def test_one_run_cannot_tell_what_more_labels_would_gain():
    assert "cannot be known from one run" in labels_enough(evaluation())[-1].text


def test_a_study_says_what_more_labels_would_gain():
    learning = study(("cat", "dog"), (0.3, 0.4, 0.45, 0.48)).model_copy(update={"caveats": ("Still rising.",)})
    first, second, *rest = labels_enough(evaluation(), learning)
    assert (first.text, first.rule, second.text) == (learning.sentence, learning.rule, "Still rising.")
    assert rest == labels_enough(evaluation())[:-1]


# When to stop ---------------------------------------------------------------------------------------


def test_the_best_epoch_is_that_of_the_result_or_has_the_highest_map_and_lowest_loss():
    history = fakes.history([0.1, 0.3, 0.3, 0.2], valid_losses=[1, 0.9, 0.8, 0.7])
    assert best_epoch(history, None) == 3
    assert best_epoch(history, fakes.result(best_epoch=2)) == 2
    first = when_to_stop(history, None)[0]
    assert first.text == "The weights of epoch 3 were kept: mAP 0.300 on the valid split, the highest."
    assert (first.epoch, first.mark) == (3, "best")


@pytest.mark.parametrize(
    ("maps", "epoch"),
    [
        ([0.1, 0.2, 0.3, 0.4], None),  # still rising
        ([0.1, 0.4, 0.4, 0.4], None),  # two epochs without gain are no plateau
        ([0.1, 0.4, 0.4, 0.4, 0.4], 2),
        ([0.1, 0.396, 0.4, 0.4, 0.4], 2),  # 1 % below the best is the best
        ([0.1, 0.395, 0.4, 0.4, 0.4], None),
        ([0.4] + [0.1] * 3, 1),
        ([0.1] * 36 + [0.4] + [0.3] * 3, None),  # of 40 epochs a tenth is 4
        ([0.1] * 35 + [0.4] + [0.3] * 4, 36),
        ([0.4], None),
    ],
)
def test_a_plateau_begins_within_1_percent_of_the_best_map(maps, epoch):
    assert plateau_since(fakes.history(maps)) == epoch


@pytest.mark.parametrize(
    ("losses", "valid_losses", "epoch"),
    [
        ([5, 4, 3, 2, 1], [2.0, 1.0, 1.06, 1.06, 1.06], 2),
        ([5, 4, 3, 2, 1], [2.0, 1.0, 1.05, 1.05, 1.05], None),  # not over 5 %
        ([5, 4, 3, 2, 1], [2.0, 1.0, 1.20, 1.01, 1.20], None),  # not for good
        ([5, 1, 2, 2, 2], [2.0, 1.0, 1.20, 1.20, 1.20], None),  # the training loss rose, too
        ([5, 4, 3, 2, 1], [2.0, 1.9, 1.80, 1.70, 1.60], None),
        ([5, 4, 3, 2], [2.0, 1.5, 1.0, 1.2], None),  # too near the end to tell
        ([5, 4], [1.0, 2.0], None),
        ([5], [1.0], None),
    ],
)
def test_overfitting_is_a_validation_loss_that_rises_for_good(losses, valid_losses, epoch):
    history = fakes.history([0.1] * len(losses), losses, valid_losses)
    assert overfits_since(history) == epoch
    assert (" it overfits" in text_of(when_to_stop(history, None))) == (epoch is not None)


@pytest.mark.parametrize(
    ("maps", "rising"),
    [
        ([0.1, 0.2, 0.3, 0.4, 0.41], True),
        ([0.1, 0.2, 0.3, 0.4, 0.409], False),
        ([0.4] * 8 + [0.4, 0.5], True),
        ([0.4] * 7 + [0.5, 0.5, 0.5], False),  # the last fifth gained nothing
        ([0.4], False),
    ],
)
def test_map_is_still_rising_if_the_last_fifth_is_clearly_better(maps, rising):
    assert still_rising(fakes.history(maps)) == rising


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"still_rising": True}, "More epochs would probably help"),
        ({"still_rising": False}, "More epochs would hardly help: mAP was not rising"),
        ({"still_rising": True, "ended": "patience"}, "More epochs would hardly help: training ended by itself"),
    ],
)
def test_the_result_decides_whether_more_epochs_would_help(result, words):
    history = fakes.history([0.1, 0.2, 0.3])
    assert words in when_to_stop(history, fakes.result(best_epoch=3, **result))[-1].text


def test_with_an_map_of_0_only_that_is_said():
    [sentence] = when_to_stop(fakes.history([0, 0, 0]), None)
    assert "mAP stayed at 0" in sentence.text


def test_without_a_history_nothing_is_said():
    assert when_to_stop([], fakes.result()) == []
