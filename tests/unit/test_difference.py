"""Differences between two snapshots. No files."""

import hashlib

import pytest

from tasks.labeling.difference import difference, in_order, in_words
from tasks.records import Box, DatasetSnapshot, LabelledImage, LabelSource

A, B, C = Box(0, 10, 10, 50, 50), Box(1, 20, 20, 60, 60), Box(2, 1, 1, 9, 9)


def image(name, *boxes, split="train", content=None, side=100):
    sha256 = hashlib.sha256((content or name).encode()).hexdigest()
    return LabelledImage(file_name=name, split=split, sha256=sha256, size=1, width=side, height=side, boxes=boxes)


def snapshot(*images, classes=("cat", "dog", "cow")):
    return DatasetSnapshot(classes=classes, images=images, source=LabelSource(kind="file", name="x"))


def counts(changes):
    names = ("added", "removed", "relabelled", "moved", "encoded_again")
    return {name: count for name in names if (count := getattr(changes, f"images_{name}").count)}


def test_equal_snapshots_have_no_difference():
    labels = snapshot(image("a.jpg", A, B), image("b.jpg"))
    changes = difference(labels, labels)
    assert changes.is_empty
    assert counts(changes) == {}
    assert not changes.classes_reordered
    assert in_words(changes) == "no label changed"


def test_added_removed_and_moved_images_are_counted():
    before = snapshot(image("a.jpg", A), image("b.jpg", B), image("c.jpg"))
    after = snapshot(image("a.jpg", A, split="valid"), image("c.jpg"), image("d.jpg", B, B))
    changes = difference(before, after)
    assert counts(changes) == {"added": 1, "removed": 1, "moved": 1}
    assert changes.images_added.examples == ("train/d.jpg",)
    assert in_words(changes) == "images 1 added, 1 removed, 1 moved to another split"
    assert changes.images_removed.examples == ("train/b.jpg",)
    assert changes.images_moved.examples == ("valid/a.jpg",)
    assert {name: (boxes.before, boxes.after) for name, boxes in changes.boxes.items()} == {
        "cat": (1, 1), "dog": (1, 2), "cow": (0, 0),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "relabelled"),
    [
        ([A], [A._replace(x1=10.3)], 0),
        ([A], [A._replace(x1=12)], 1),
        ([A], [A._replace(class_index=1)], 1),
        ([A], [], 1),
        ([A, B], [B, A], 0),
        ([A, A._replace(x1=10.2)], [A._replace(x1=10.1), A], 0),
    ],
)
def test_an_image_is_relabelled_if_a_box_has_another_class_or_place(old, new, relabelled):
    changes = difference(snapshot(image("a.jpg", *old)), snapshot(image("a.jpg", *new)))
    assert counts(changes).get("relabelled", 0) == relabelled
    assert changes.is_empty == (not relabelled)


def test_an_image_encoded_again_is_matched_by_its_source_name():
    before = snapshot(image("a_jpg.rf.111.jpg", A))
    scaled = Box(0, 20, 20, 100, 100)
    changes = difference(before, snapshot(image("a_jpg.rf.222.jpg", scaled, side=200)))
    assert counts(changes) == {"encoded_again": 1}


def test_the_same_bytes_under_another_name_are_the_same_image():
    changes = difference(snapshot(image("a.jpg", A, content="x")), snapshot(image("b.jpg", A, content="x")))
    assert changes.is_empty


def test_cases_a3_classes_are_compared_by_name():
    before = snapshot(image("a.jpg", A, B), classes=("cat", "dog"))
    added = snapshot(image("a.jpg", Box(1, *A[1:]), Box(2, *B[1:])), classes=("bird", "cat", "dog"))
    swapped = snapshot(image("a.jpg", Box(1, *A[1:]), Box(0, *B[1:])), classes=("dog", "cat"))
    changes = difference(before, added)
    assert (changes.classes_added, changes.classes_removed, changes.classes_reordered) == (("bird",), (), False)
    assert counts(changes) == {}
    assert not changes.is_empty
    assert difference(added, before).classes_removed == ("bird",)
    assert in_words(changes) == "classes added: bird"
    changes = difference(before, swapped)
    assert changes.classes_reordered
    assert changes.is_empty


def test_cases_a3_the_same_classes_in_another_order_are_brought_into_the_champions():
    champion = snapshot(image("a.jpg", A, B), classes=("cat", "dog"))
    swapped = snapshot(image("a.jpg", Box(1, *A[1:]), Box(0, *B[1:])), classes=("dog", "cat"))
    assert in_order(swapped, champion.classes).digest == champion.digest
    assert in_order(swapped, ("cat", "cow")) == swapped
