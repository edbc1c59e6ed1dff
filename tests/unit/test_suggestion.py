"""What to label next: the measures by values computed by hand, and the choice under a budget."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.labeling.roboflow.upload import coco_of, safe_name
from tasks.records import Candidate, DetectedObject, SeenImage
from tasks.suggestion.choice import choose
from tasks.suggestion.measures import ModelFacts, box_uncertainty, class_rarity, max_rarity, max_uncertainty
from tasks.suggestion.nearest import Known, Nearest
from tasks.suggestion.table import write_table

HALF = 0x00000000FFFFFFFF
"""A hash with structure: 32 bits of 64 are set."""
OTHER_HALF = 0xFFFFFFFF00000000
FACTS = ModelFacts(0.4, {"cat": 200, "dog": 50, "owl": 0})


def seen_object(name="cat", score=0.9):
    return DetectedObject(class_name=name, score=score, bbox=(1, 2, 3, 4))


def candidate(name, image_hash=HALF, objects=(), content=None, position=0):
    number = sum(map(ord, content or name)) * 31 + len(content or name)
    return Candidate(
        position=position, image=name, sha256=f"{number:064x}", difference_hash=image_hash, width=8, height=8,
        objects=tuple(objects),
    )  # fmt: skip


def seen(name, image_hash=HALF, why="labelled already", content=None):
    one = candidate(name, image_hash, content=content)
    return SeenImage(image=name, sha256=one.sha256, difference_hash=image_hash, seen=why)


def names(choice):
    return [one.candidate.image for one in choice.suggestions]


def left_out(choice):
    return {one.image: (one.reason, one.like) for one in choice.left_out}


# Measures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("score", "threshold", "expected"),
    [
        (0.4, 0.4, 1),
        (0.2, 0.4, 0.5),
        (0, 0.4, 0),
        (0.7, 0.4, 0.5),
        (1, 0.4, 0),
        (1, 1, 1),
        (0.5, 1, 0.5),
        (0.5, 0, 0.5),
    ],
)
def test_a_box_is_most_uncertain_at_the_threshold(score, threshold, expected):
    assert box_uncertainty(score, threshold) == pytest.approx(expected)


def test_the_most_uncertain_box_counts_for_an_image():
    boxes = [seen_object(score=0.97), seen_object("dog", 0.3), seen_object(score=0.1)]
    value, box = max_uncertainty(boxes, 0.4)
    assert value == pytest.approx(0.75)
    assert box == boxes[1]
    assert max_uncertainty([], 0.4) == (0, None)


def test_a_class_is_rare_by_its_share_of_the_most_frequent_one():
    assert [class_rarity(name, FACTS.boxes or {}) for name in ("cat", "dog", "owl", "new")] == [0, 0.75, 1, 1]
    assert class_rarity("cat", {"cat": 0}) == 0
    assert max_rarity([seen_object(), seen_object("dog")], FACTS.boxes) == (0.75, "dog")
    assert max_rarity([seen_object("dog")], None) == max_rarity([], FACTS.boxes) == (0, None)


def test_unlikeness_counts_bits_to_the_nearest_image_up_to_half_of_them():
    nearest = Nearest([HALF, HALF ^ 0xFF, OTHER_HALF, 0])
    assert nearest.unlikeness().tolist() == [1, 1, 1, 0]  # nothing was seen; the last has no structure
    assert nearest.bits(0) is None
    nearest.add(Known("a", "twice"), HALF)
    assert nearest.unlikeness().tolist() == [0, 0.25, 1, 0]
    assert [nearest.bits(index) for index in range(4)] == [0, 8, 64, None]
    nearest.add(Known("flat", "twice"), 0)
    assert nearest.duplicates() == {0: Known("a", "twice")}


@pytest.mark.parametrize(("bits", "is_duplicate"), [(0b111, True), (0b1111, False)])
def test_three_bits_are_a_near_duplicate_and_four_are_not(bits, is_duplicate):
    nearest = Nearest([HALF ^ bits])
    nearest.add(Known("a", "sent before"), HALF)
    assert bool(nearest.duplicates()) is is_duplicate


# The choice --------------------------------------------------------------------------------------


def test_the_best_image_by_the_mean_of_the_measures_comes_first():
    images = [
        candidate("plain", HALF, [seen_object(score=1)]),
        candidate("near", HALF ^ 0xFFFF, [seen_object(score=0.4)]),
        candidate("dog", OTHER_HALF, [seen_object("dog", 1)]),
    ]
    choice = choose(images, [seen("train/a.jpg", HALF ^ 0xF0)], FACTS, 3)
    # near: uncertainty 1, 12 of 32 bits; dog: rarity 0.75, and 60 bits, which count as 32; after them plain: 4 bits.
    assert names(choice) == ["dog", "near", "plain"]
    assert [one.score for one in choice.suggestions] == [
        pytest.approx((0.75 + 1) / 3, abs=1e-4), pytest.approx((1 + 12 / 32) / 3, abs=1e-4),
        pytest.approx(4 / 32 / 3, abs=1e-4),
    ]  # fmt: skip
    first = choice.suggestions[0]
    assert (first.uncertainty, first.rarity, first.unlikeness) == (0, 0.75, 1)
    assert first.reasons == (
        "rare class: dog has 50 labelled boxes, the most frequent class 200",
        "unlike: 60 of 64 bits from the nearest image",
    )


def test_boxes_below_the_threshold_make_uncertain_and_not_rare():
    one = choose([candidate("a", 0, [seen_object("dog", 0.3)])], [], FACTS, 1).suggestions[0]
    assert (one.uncertainty, one.rarity, one.unlikeness, one.score) == (0.75, 0, 0, 0.25)
    assert one.reasons == ("uncertain: dog at 0.30, just below the threshold 0.4, and no box is above it",)


def test_an_image_without_anything_is_chosen_last_and_says_so():
    one = choose([candidate("a", 0)], [], FACTS, 1).suggestions[0]
    assert (one.score, one.reasons) == (0, ("nothing speaks for it but room in the budget",))


def test_what_was_seen_and_what_comes_twice_is_left_out_by_name():
    images = [
        candidate("bytes-labelled", 0, content="t"), candidate("near-sent", OTHER_HALF ^ 1), candidate("one", HALF),
        candidate("one-again", HALF ^ 0b11), candidate("same-a", 0, content="s"), candidate("same-b", 0, content="s"),
    ]  # fmt: skip
    known = [seen("train/t.jpg", 0, content="t"), seen("s.jpg", OTHER_HALF, "sent before")]
    choice = choose(images, known, FACTS, 10)
    assert names(choice) == ["one", "same-a"]
    assert left_out(choice) == {
        "bytes-labelled": ("labelled already", "train/t.jpg"), "near-sent": ("sent before", "s.jpg"),
        "one-again": ("twice", "one"), "same-b": ("twice", "same-a"),
    }  # fmt: skip


def test_images_beyond_the_budget_are_left_out_and_ties_go_by_name():
    images = [candidate(name, 0) for name in ("c", "a", "b")]
    choice = choose(images, [], FACTS, 2)
    assert names(choice) == ["a", "b"]
    assert left_out(choice) == {"c": ("beyond the budget", "")}


def test_nothing_at_all_is_a_choice():
    assert choose([], [seen("a")], FACTS, 5).suggestions == ()


HASHES = st.sampled_from([0, HALF, HALF ^ 1, HALF ^ 0xFF, OTHER_HALF, OTHER_HALF ^ 0xF0F0])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(HASHES, st.sampled_from([0.2, 0.4, 0.9])), max_size=8), st.integers(1, 8), st.randoms())
def test_every_image_is_chosen_or_left_out_whatever_the_order_and_a_larger_budget_adds(made, budget, dice):
    images = [candidate(f"n{n}", one, [seen_object(score=score)], position=n) for n, (one, score) in enumerate(made)]
    choice = choose(images, [], FACTS, budget)
    assert sorted([*names(choice), *left_out(choice)]) == sorted(one.image for one in images)
    assert len(choice.suggestions) <= budget
    shuffled = list(images)
    dice.shuffle(shuffled)
    assert choose(shuffled, [], FACTS, budget) == choice
    assert names(choose(images, [], FACTS, budget + 1))[:budget] == names(choice)


def test_the_table_has_a_row_for_each_image(tmp_path):
    choice = choose([candidate('a, "b"', 0, [seen_object(score=0.4)])], [], FACTS, 1)
    write_table(tmp_path / "t.csv", choice.suggestions, ["a.jpg"])
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text("utf-8"))))
    assert [(row["image"], row["file"], row["uncertainty"]) for row in rows] == [('a, "b"', "a.jpg", "1.0")]


# What is sent ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cam-1_a.b", "cam-1_a.b"), ("day #1 & 50%?", "day-1-50"), ("größe/ä", "gr-e"), ("../x", "x"), ("#", "image"),
        ("pets/3", "pets-3"),
    ],
)  # fmt: skip
def test_names_have_no_character_that_means_something_in_a_url(name, expected):
    assert safe_name(name) == expected


@given(st.text(max_size=300))
def test_any_name_becomes_safe(name):
    assert set(safe_name(name)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    assert 1 <= len(safe_name(name)) <= 100


def test_boxes_go_as_coco():
    assert coco_of("a.jpg", (8, 8), []) is None
    document = coco_of("a.jpg", (8, 8), [seen_object("dog", 0.5), seen_object("cat"), seen_object("dog")])
    assert document["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    assert [one["category_id"] for one in document["annotations"]] == [2, 1, 2]
    assert document["annotations"][0]["bbox"] == [1, 2, 3, 4]
    assert document["images"] == [{"id": 1, "file_name": "a.jpg", "width": 8, "height": 8}]
