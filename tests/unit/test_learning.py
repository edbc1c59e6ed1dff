"""The learning curve: values of known curves, coverage of its interval, and what it says it cannot tell."""

import random

import pytest

from tasks.evaluation.learning_curve import learning_curve
from tasks.evaluation.summary import point_rows, study_markdown
from tests.fakes.learning import SHARES, point, points, power

IMAGES = [25, 50, 75, 100]


def curve_through(a, b, c, half=0.001):
    return learning_curve(points([power(a, b, c, n) for n in IMAGES], half))


@pytest.mark.parametrize(
    ("a", "b", "c", "now", "doubled"),
    [
        (0.9, 2, 0.5, 0.7, 0.758579),  # 0.9 - 2/10 and 0.9 - 2/14.142136
        (0.8, 20, 1.0, 0.6, 0.7),  # 0.8 - 20/100 and 0.8 - 20/200
        (1.0, 4, 0.5, 0.6, 0.717157),  # 1 - 4/10 and 1 - 4/14.142136
    ],
)
def test_points_on_a_curve_give_that_curve(a, b, c, now, doubled):
    curve = curve_through(a, b, c)
    assert curve.map.value == pytest.approx(doubled, abs=1e-4)
    assert curve.gain.value == pytest.approx(doubled - now, abs=1e-4)
    assert curve.gain.ci95[0] <= curve.gain.value <= curve.gain.ci95[1]
    assert curve.verdict == "will help"
    assert curve.sentence.startswith("More labels will help: twice the labels (200 training images) would raise mAP")


def test_the_band_reaches_twice_the_images_and_contains_the_curve():
    band = curve_through(0.8, 20, 1.0).band
    assert (band.images[0], band.images[-1]) == (25, 200)
    assert (band.middle[0], band.middle[-1]) == (pytest.approx(0.0, abs=1e-4), pytest.approx(0.7, abs=1e-4))
    assert all(low <= middle <= high for low, middle, high in zip(band.low, band.middle, band.high, strict=True))


@pytest.mark.parametrize(
    ("a", "b", "c", "error"),
    [
        (0.8, 2, 0.5, 0.01),
        (0.8, 2, 0.5, 0.04),
        (0.5, 40, 1.2, 0.02),
        (0.9, 8, 1.0, 0.02),
        (0.95, 1.5, 0.25, 0.02),
        (0.7, 0, 0.5, 0.02),
    ],
)
def test_the_true_gain_is_inside_the_interval_in_nine_of_ten_studies(a, b, c, error):
    rng = random.Random(4)
    gain = power(a, b, c, 200) - power(a, b, c, 100)
    covered = wrong = 0
    for _ in range(100):
        moved = [power(a, b, c, n) + rng.gauss(0, error) for n in IMAGES]
        curve = learning_curve(points(moved, 1.96 * error))
        covered += curve.gain.ci95[0] <= gain <= curve.gain.ci95[1]
        wrong += curve.verdict == ("will hardly help" if gain > 0.02 else "will help" if gain < 0.01 else "")
    assert covered >= 90
    assert wrong <= 5


def test_points_far_from_the_curve_widen_the_interval():
    """Their distance is larger than their errors: it comes from the randomness of training."""
    smooth = learning_curve(points([0.50, 0.60, 0.64, 0.66], 0.005)).gain.ci95
    rough = learning_curve(points([0.50, 0.66, 0.58, 0.66], 0.005)).gain.ci95
    assert rough[1] - rough[0] > 2 * (smooth[1] - smooth[0])


def test_more_labels_hardly_help_on_a_flat_curve_with_narrow_intervals():
    curve = learning_curve(points([0.6, 0.6, 0.6, 0.6], 0.01))
    assert curve.verdict == "will hardly help"
    assert curve.gain.value == pytest.approx(0, abs=1e-9)
    assert "would raise mAP by 0.0" in curve.sentence
    assert "at most" in curve.sentence


def test_a_flat_curve_with_wide_intervals_cannot_tell():
    curve = learning_curve(points([0.6, 0.6, 0.6, 0.6], 0.2))
    assert curve.verdict == "cannot tell"
    assert curve.sentence.startswith("It cannot be told whether more labels help")


def test_a_falling_curve_gains_nothing_and_does_not_fall_further():
    curve = learning_curve(points([0.7, 0.65, 0.6, 0.55], 0.02))
    assert curve.gain.value == 0
    assert curve.gain.ci95[0] == 0
    assert curve.verdict == "cannot tell"
    assert curve.band.middle == pytest.approx([0.625] * len(curve.band.middle))  # the mean


@pytest.mark.parametrize(("values", "usable"), [([0, 0, 0, 0], 0), ([0, 0, 0, 0.3], 1), ([0, 0, 0.2, 0.3], 2)])
def test_fewer_than_three_models_above_zero_cannot_tell(values, usable):
    curve = learning_curve(points(values))
    assert (curve.verdict, curve.band, curve.gain, curve.map) == ("cannot tell", None, None, None)
    assert f"of 4 models {usable} surely found something, and it takes 3" in curve.sentence


@pytest.mark.parametrize("first", [0.0, 0.01, 0.02])  # give or take 0.02
def test_a_model_whose_interval_holds_zero_is_no_point_of_the_curve(first):
    measured = points([first, 0.5, 0.55, 0.58])
    assert learning_curve(measured).gain == learning_curve(measured[1:]).gain
    assert len(learning_curve(measured).points) == 4


def test_one_point_and_points_of_the_same_images_cannot_tell():
    assert learning_curve([point(4, 0.5)]).verdict == "cannot tell"
    curve = learning_curve([point(4, 0.5, share=share) for share in SHARES])
    assert (curve.verdict, len(curve.points)) == ("cannot tell", 1)


def test_points_without_intervals_cannot_tell():
    curve = learning_curve(points([0.3, 0.4, 0.5, 0.55], None))
    assert (curve.verdict, curve.gain) == ("cannot tell", None)


def test_classes_have_gains_of_their_own():
    values = {n: {"cat": power(0.8, 20, 1.0, n), "dog": 0.7} for n in (50, 75, 100)}
    class_points = [point(n, 0.6, 0.01, **classes) for n, classes in values.items()]
    class_points[-1] = point(100, 0.6, 0.01, **values[100], rare=0.2)
    gains = learning_curve(class_points).per_class
    assert gains["cat"].value == pytest.approx(0.1, abs=1e-3)
    assert gains["dog"].value == pytest.approx(0, abs=1e-6)
    assert gains["rare"] is None


def test_the_same_points_give_the_same_record_in_any_order():
    measured = points([0.3, 0.4, 0.5, 0.55])
    assert learning_curve(measured) == learning_curve(measured[::-1])
    assert learning_curve(measured).digest == learning_curve(measured).digest


def test_training_that_was_still_rising_is_a_caveat():
    measured = [*points([0.3, 0.4, 0.5, 0.55])[1:], point(25, 0.3, share=0.25, rising=True)]
    (caveat,) = learning_curve(measured).caveats
    assert caveat.startswith("mAP was still rising when training on 25 % of the images ended")
    assert learning_curve(points([0.3, 0.4, 0.5, 0.55])).caveats == ()


def test_the_outcome_in_markdown():
    curve = learning_curve([point(n, value, 0.02, share=n / 100, **{"<b>": value}) for n, value in
                            ((50, 0.4), (75, 0.5), (100, 0.55))])  # fmt: skip
    text = study_markdown(
        "pets", curve, "https://link", "works until 2026-12-04 14:02 UTC", "runs/x/report/study-1.html"
    )
    title, _, sentence, *_ = text.splitlines()
    assert title == f"# pets: more labels {curve.verdict}"
    assert sentence == curve.sentence
    assert "| 75 | 75 % | 0.500 | 0.480 to 0.520 |" in text
    assert "[Open the report](https://link)" in text
    assert "| &#60;b&#62; | " in text
    assert point_rows(curve)[0] == {
        "share": "50 %", "training images": 50, "mAP": 0.4, "95 % interval": "0.380 to 0.420", "run": "a" * 12,
    }  # fmt: skip
