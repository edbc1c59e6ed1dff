"""What a replay that came out otherwise is explained with."""

import pytest
from markdown_it import MarkdownIt

from tasks.records import ReplayOutcome, TrainingResult
from tasks.training.replay import find_differences, in_words, replay_markdown

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
    found = find_differences(result(), now)
    assert [(one.name, one.before, one.now) for one in found] == differs


def test_how_a_run_was_interrupted_explains_nothing():
    assert find_differences(result(), result(seconds=9, resumed_from_epoch=1)) == ()


def test_a_run_that_recorded_nothing_explains_nothing():
    assert find_differences(result(versions={}), result()) is None


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
            outcome(differences=find_differences(result(), result(versions=VERSIONS | {"torch": "3"}))),
            "may explain it: torch (2.14.1 before, 3 now).",
        ),
    ],
)
def test_the_outcome_is_a_sentence(came, words):
    assert words in in_words(came)


def test_the_page_has_a_row_for_each_difference_and_escapes_names():
    found = find_differences(result(), result(machine="<b>|cpu|</b>"))
    html = MarkdownIt().enable("table").render(replay_markdown(outcome(differences=found)))
    assert html.count("<td>machine</td>") == 1
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert html.count("<code>") == 2
