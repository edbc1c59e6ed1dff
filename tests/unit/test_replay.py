"""What a replay that came out otherwise is explained with."""

import pytest
from markdown_it import MarkdownIt

from tasks.records import ReplayOutcome, TrainingResult
from tasks.training.replay import find_differences, in_words, recipe_differs, replay_markdown

A, B = "a" * 64, "b" * 64
VERSIONS = {"python": "3.11.7", "torch": "2.14.1"}
RESULT = TrainingResult(
    run_key=A, epochs_done=2, best_epoch=1, best_map=0.5, ended="epochs", seconds=1, images_per_second=1,
    weights_sha256=A, resumed_from_epoch=None, device="cpu 32-true", versions=VERSIONS, machine="a processor",
    micro_batch=4,
)  # fmt: skip


def result(**fields):
    return RESULT.model_copy(update=fields)


def outcome(replayed=B, differences=(), valid_map=0.5):
    return ReplayOutcome(
        project="pets", version=3, run_key=A, weights_sha256=A, replayed_sha256=replayed, valid_map=valid_map,
        replayed_map=0.25, differences=differences, seconds=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("now", "differs"),
    [
        (result(), []),
        (result(versions=VERSIONS | {"torch": "2.15.0"}), [("torch", "2.14.1", "2.15.0")]),
        (result(versions={"python": "3.11.7"}), [("torch", "2.14.1", None)]),
        (result(machine="another"), [("machine", "a processor", "another")]),
        (result(devices=2, micro_batch=2), [("devices", "1", "2"), ("images at a time", "4", "2")]),
    ],
)
def test_what_differs_is_named_with_both_values(now, differs):
    found = find_differences(result(), now, 1, 1)
    assert [(one.name, one.before, one.now) for one in found] == differs


def test_how_a_run_was_interrupted_explains_nothing():
    assert find_differences(result(), result(seconds=9, resumed_from_epoch=1), 1, 1) == ()


def test_a_run_that_recorded_nothing_explains_nothing():
    assert find_differences(result(versions={}), result(), 1, 1) is None
    assert find_differences(None, result(), 1, 1) is None


@pytest.mark.parametrize("before", [result(), result(versions={}), None])
def test_another_recipe_explains_other_weights_whatever_else_is_known(before):
    found = find_differences(before, result(), 0, 2)
    assert [(one.name, one.before, one.now) for one in found] == [("recipe", "0", "2")]
    assert "may explain it: recipe (0 before, 2 now)." in in_words(outcome(differences=found))


def test_the_recipe_comes_before_what_else_differs():
    found = find_differences(result(), result(machine="another"), 0, 1)
    assert [one.name for one in found] == ["recipe", "machine"]


def test_a_replay_by_another_recipe_is_told_before_it_trains():
    assert recipe_differs(1, 1) is None
    said = recipe_differs(0, 1)
    assert "trained by recipe 0, and this nasflow trains by recipe 1, so other weights are expected" in said


@pytest.mark.parametrize(
    ("came", "words"),
    [
        (outcome(replayed=A), "pets version 3 trained again has the same weights to the bit."),
        (outcome(), "0.500 before, 0.250 now. Versions and machine are the same"),
        (
            outcome(differences=None, valid_map=None),
            "not known before, 0.250 now. What the version was trained with is",
        ),
        (
            outcome(differences=find_differences(result(), result(versions=VERSIONS | {"torch": "3"}), 1, 1)),
            "may explain it: torch (2.14.1 before, 3 now).",
        ),
    ],
)
def test_the_outcome_is_a_sentence(came, words):
    assert words in in_words(came)


def test_the_page_has_a_row_for_each_difference_and_escapes_names():
    found = find_differences(result(), result(machine="<b>|cpu|</b>"), 1, 1)
    html = MarkdownIt().enable("table").render(replay_markdown(outcome(differences=found)))
    assert html.count("<td>machine</td>") == 1
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert html.count("<code>") == 2
