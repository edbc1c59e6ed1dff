"""Studies of settings: what is tried, which model is recommended, and what a search does next."""

import itertools

import numpy as np
import pytest
from pydantic import ValidationError

from tasks import metrics
from tasks.records import RetrainRequest, SettingsSpace, StudyIdentity, Trial
from tasks.studies.combinations import all_combinations, request_of
from tasks.studies.page.page import render
from tasks.studies.recommendation import recommend
from tasks.studies.rows import options_of
from tasks.studies.search import RANDOM_TRIALS, is_hopeless, suggest
from tasks.studies.summary import study_markdown
from tests.fakes import simulated
from tests.fakes.studies import SOURCES, grid, model, settings, study

REQUEST = RetrainRequest(project="pets", epochs=40, image_size=416, variant="m", batch_size=6)


def test_a_study_tries_each_combination_once_the_cheapest_first():
    space = SettingsSpace(variants=("l", "s", "s"), epochs=(100, 30), image_sizes=(640, 320))
    trials = all_combinations(REQUEST, space)
    tried = [(one.settings.image_size, one.settings.variant, one.settings.epochs) for one in trials]
    assert tried == list(itertools.product((320, 640), ("s", "l"), (30, 100)))
    assert [one.number for one in trials] == list(range(1, 9))


def test_what_a_space_leaves_open_is_that_of_the_request():
    (only,) = all_combinations(REQUEST, SettingsSpace())
    assert request_of(REQUEST, only.settings) == REQUEST


@pytest.mark.parametrize(
    ("space", "is_empty"),
    [({}, True), ({"epochs": (30, 30)}, True), ({"epochs": (30, 60)}, False), ({"trials": 2}, False)],
)
def test_a_space_is_empty_if_there_is_nothing_to_choose(space, is_empty):
    assert SettingsSpace(**space).is_empty is is_empty


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({"epochs": (30, 60), "trials": 5}, "epochs\\n  a search compares its trials at the same epoch; name one"),
        ({"epochs": tuple(range(1, 202))}, "epochs\\n  201 combinations, at most 200"),
        (
            {"variants": ("s", "m"), "epochs": tuple(range(1, 52)), "image_sizes": (64, 96)},
            "image_sizes\\n  204 combinations, at most 200",
        ),
        ({"trials": 1}, "greater than or equal to 2"),
        ({"trials": 201}, "less than or equal to 200"),
        ({"variants": ("xl",)}, "should be 's', 'm' or 'l'"),
        ({"image_sizes": (100,)}, "multiple of 32"),
    ],
)
def test_a_space_that_cannot_be_tried_is_refused(space, words):
    with pytest.raises(ValidationError, match=words):
        SettingsSpace(**space)


def test_a_search_with_more_trials_is_the_same_study():
    few, many = (StudyIdentity.of("a" * 64, SettingsSpace(variants=("s", "m"), trials=count)) for count in (5, 50))
    other = StudyIdentity.of("a" * 64, SettingsSpace(variants=("m", "s"), trials=5))
    assert few.digest == many.digest == other.digest
    assert few.digest != StudyIdentity.of("a" * 64, SettingsSpace(variants=("s", "l"), trials=5)).digest


def test_the_fastest_model_within_one_standard_error_of_the_best_is_recommended():
    best = model(0.60, latency_ms=40, settings={"variant": "l"})
    near = model(0.57, 0.03, 0.0301, latency_ms=10)
    chosen = recommend([best, near], [], SOURCES)
    assert chosen.model is near
    assert chosen.sentence == (
        "Take s, 320 px, 30 epochs: mAP 0.570 (95 %: 0.520 to 0.620), 10.0 ms an image. The most accurate, "
        "l, 320 px, 30 epochs, has 0.600, 40.0 ms an image; the difference, -0.030 (95 %: -0.096 to +0.036), is within "
        "one standard error on these 12 source images."
    )


def test_a_faster_model_that_is_further_behind_is_not_recommended():
    best = model(0.60, latency_ms=40, settings={"variant": "l"})
    chosen = recommend([best, model(0.57, 0.03, 0.0299, latency_ms=10)], [], SOURCES)
    assert chosen.model is best
    assert "no faster model comes within one standard error of it" in chosen.sentence


def test_two_measurements_of_one_network_do_not_decide():
    best = model(0.60, latency_ms=10.4, name="longer", settings={"epochs": 100})
    chosen = recommend([best, model(0.59, 0.01, 0.03, latency_ms=9.9)], [], SOURCES)
    assert chosen.model is best


def test_speeds_of_different_devices_are_not_compared():
    best = model(0.60, latency_ms=3, device="cuda bf16", settings={"variant": "l"}, parameters=67_000_000)
    near = model(0.59, 0.01, 0.03, latency_ms=30, device="cpu bf16")
    chosen = recommend([best, near], [], SOURCES)
    assert chosen.model is near
    assert any("different devices (cpu bf16, cuda bf16)" in caveat for caveat in chosen.caveats)


@pytest.mark.parametrize(
    ("models", "sources", "words"),
    [
        ([model(0.6), model(0.5, 0.1, 0.01)], 7, "7 source images to measure on, it takes 8"),
        ([model(0.03, half=0.05), model(0.02, 0.01, 0.01)], 12, "has mAP 0.030, which may be 0"),
        ([model(0.03, half=None)], 12, "which may be 0"),
    ],
)
def test_nothing_is_recommended_where_nothing_can_be_told(models, sources, words):
    chosen = recommend(models, [], sources)
    assert chosen.model is None
    assert chosen.sentence.startswith("It cannot be told which settings are best")
    assert words in chosen.sentence


def test_what_else_explains_the_order_is_said():
    stopped = [Trial(number=n, settings=settings(), status="stopped", why="") for n in (3, 4)]
    failed = Trial(number=5, settings=settings(), status="failed", why="out of memory")
    models = [model(0.6, still_rising=True), model(0.5, 0.1, 0.01, name="other")]
    caveats = recommend(models, [*stopped, failed], SOURCES).caveats
    assert caveats[0] == "mAP was still rising at the end of s, 320 px, 30 epochs: more epochs may change the order."
    assert "2 of the trials stopped early, and are not measured." in caveats
    assert "1 of the trials failed, and is not measured." in caveats
    assert "The best of 2 models looks a little better than it is" in caveats[-1]


def test_a_difference_in_map_is_that_of_a_whole_comparison():
    dice = np.random.default_rng(3)
    truth = simulated.ground_truth(dice, 40)
    ease = simulated.ease(dice, 40)
    first, second = (metrics.Matches(truth, simulated.detections(dice, truth, ease, skill)) for skill in (0.8, 0.6))
    assert metrics.compare_map(first, second) == metrics.compare(first, second, 1).map


def test_a_search_begins_with_the_settings_of_the_request():
    base = settings(learning_rate=0.7, batch_size=5)
    assert suggest(base, SettingsSpace(trials=5), 40, [], 0) == base


def searched(space, count, base=None, images=40, seed=0):
    """The trials of a search, each trained to a mAP that its learning rate decides: best at 0.001."""
    base = base or settings()
    trials: list[Trial] = []
    for number in range(1, count + 1):
        chosen = suggest(base, space, images, trials, seed)
        value = max(0.0, 0.6 - 0.2 * abs(np.log10(chosen.learning_rate / 0.001)))
        trials.append(Trial(number=number, settings=chosen, status="trained", maps={30: value}))
    return trials


def test_a_search_stays_within_the_space_and_the_train_split():
    space = SettingsSpace(variants=("s", "l"), image_sizes=(320, 640), trials=30)
    tried = [trial.settings for trial in searched(space, 30, images=10)]
    assert {one.variant for one in tried} == {"s", "l"}
    assert {one.image_size for one in tried} == {320, 640}
    assert {one.batch_size for one in tried} == {4, 8}
    assert {one.augmentation for one in tried} == {"none", "light", "standard", "strong"}
    assert {one.epochs for one in tried} == {30}
    assert all(0.0002 <= one.learning_rate <= 0.01 for one in tried)


def test_a_search_learns_from_its_trials():
    trials = searched(SettingsSpace(trials=40), 40)
    distances = [abs(np.log10(trial.settings.learning_rate / 0.001)) for trial in trials]
    assert np.mean(distances[-15:]) < 0.6 * np.mean(distances[1:RANDOM_TRIALS])


def test_a_search_that_goes_on_chooses_what_it_would_have_chosen():
    space = SettingsSpace(trials=12)
    trials = searched(space, 12, seed=7)
    again = [Trial.model_validate_json(trial.model_dump_json()) for trial in trials[:11]]
    assert suggest(settings(), space, 40, again, 7) == trials[11].settings


def test_two_workers_do_not_try_the_same():
    trials = searched(SettingsSpace(trials=20), 12)
    first = Trial(number=13, settings=suggest(settings(), SettingsSpace(trials=20), 40, trials, 0))
    assert suggest(settings(), SettingsSpace(trials=20), 40, [*trials, first], 0) != first.settings


def test_failed_and_stopped_trials_do_not_end_a_search():
    trials = [
        Trial(number=1, settings=settings(), status="failed", why="no"),
        Trial(number=2, settings=settings(learning_rate=0.001), status="stopped", maps={9: 0.1}, why="slow"),
        Trial(number=3, settings=settings(learning_rate=0.003), status="stopped", why="cancelled"),
    ]
    assert suggest(settings(), SettingsSpace(trials=9), 40, trials, 0).variant == "s"


def rising(number, to, epochs=30, status="trained", **changes):
    maps = {epoch: to * epoch / 30 for epoch in range(1, epochs + 1)}
    return Trial(number=number, settings=settings(**changes), status=status, maps=maps)


TRAINED = [rising(number, to) for number, to in enumerate((0.2, 0.4, 0.5, 0.6), start=1)]
"""At each epoch their median is 0.45 of the way to the end."""


@pytest.mark.parametrize(
    ("trained", "to", "epochs", "expected"),
    [
        (TRAINED, 0.44, 20, True),
        (TRAINED, 0.46, 20, False),
        (TRAINED, 0.0, 8, False),  # before 30 % of the epochs nothing is told
        (TRAINED, 0.0, 9, True),
        (TRAINED[:3], 0.0, 20, False),  # too few to compare with
        ([*TRAINED[:3], rising(4, 0.6, 20, "stopped")], 0.0, 20, False),
    ],
)
def test_a_trial_behind_the_median_of_the_others_is_hopeless(trained, to, epochs, expected):
    assert is_hopeless(rising(9, to, epochs, "open"), trained) is expected


def test_the_page_names_the_recommended_settings_and_escapes_reasons():
    outcome = grid()
    page = render(outcome)
    assert outcome.choice.name in page
    assert options_of(outcome.choice) in page
    assert "CUDA out of memory &lt;b&gt;here&lt;/b&gt;" in page
    assert page.count('class="dot bold"') == 2 + 1  # one in each chart, and the key
    assert page.count("<tr") == 2 + 12 + 1


def test_the_page_of_a_study_that_cannot_tell_has_no_options():
    page = render(study([model(0.02), model(0.01, 0.01, 0.01, latency_ms=None, name="other")]))
    assert "Cannot tell" in page
    assert "nasflow retrain" not in page


def test_options_ask_for_the_same_settings():
    words = options_of(model(0.5, settings={"learning_rate": 0.00123456789, "variant": "l"})).split()
    values = dict(zip(words[::2], words[1::2], strict=True))
    assert values == {
        "--variant": "l", "--image-size": "320", "--epochs": "30", "--batch-size": "8",
        "--learning-rate": "0.00123456789", "--augmentation": "standard",
    }  # fmt: skip


def test_the_summary_has_a_row_for_each_model():
    text = study_markdown(grid(), "https://example.org/page", "works", "studies/pets/x.html")
    assert text.startswith("# pets: which settings\n\nTake ")
    assert text.count("\n| s |") == text.count("\n| m |") == text.count("\n| l |") == 4
