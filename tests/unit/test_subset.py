"""Subsets of the training images: nested, of whole sources, with boxes, and nothing else changed."""

from itertools import pairwise

import pytest

from tasks.labeling.subset import subset_of
from tasks.records import Box, DatasetSnapshot, LabelledImage, LabelSource
from tasks.storage.keys import snapshot as key_of

SHARES = (0.25, 0.5, 0.75, 1.0)


def image(name, number, split="train", boxes=1):
    """An image whose content is its number."""
    return LabelledImage(
        file_name=name, split=split, sha256=f"{number:064x}", size=1, width=10, height=10,
        boxes=(Box(0, 1, 1, 5, 5),) * boxes,
    )  # fmt: skip


def snapshot(*images):
    return DatasetSnapshot(classes=("cat", "dog"), images=images, source=LabelSource(kind="file", name="pets"))


def train_names(subset):
    return {image.file_name for image in subset.of_split("train")}


@pytest.fixture
def pets():
    """Twenty sources with boxes and eight without, two versions of each."""
    sources = [
        image(f"{kind}{at}_jpg.rf.{version}.jpg", 1000 * (kind == "empty") + 10 * at + version, boxes=kind == "pet")
        for kind, count in (("pet", 20), ("empty", 8))
        for at in range(count)
        for version in range(2)
    ]
    return snapshot(*sources, image("v.jpg", 9001, "valid"), image("t.jpg", 9002, "test"))


def test_each_subset_has_its_share_of_sources_with_and_without_boxes(pets):
    for share, labelled, empty in zip(SHARES, (5, 10, 15, 20), (2, 4, 6, 8), strict=True):
        train = subset_of(pets, share).of_split("train")
        assert sum(bool(image.boxes) for image in train) == 2 * labelled
        assert sum(not image.boxes for image in train) == 2 * empty


def test_versions_of_one_source_stay_together(pets):
    for share in SHARES:
        names = train_names(subset_of(pets, share))
        assert {name.replace("rf.0", "rf.1") for name in names} == {n for n in names if "rf.1" in n}


def test_subsets_are_nested_and_the_largest_is_the_snapshot_itself(pets):
    subsets = [train_names(subset_of(pets, share)) for share in SHARES]
    assert all(small < large for small, large in pairwise(subsets))
    whole = subset_of(pets, 1.0)
    assert whole == pets
    assert key_of(whole.digest) == key_of(pets.digest)


def test_valid_test_and_classes_are_untouched(pets):
    subset = subset_of(pets, 0.25)
    for split in ("valid", "test"):
        assert subset.of_split(split) == pets.of_split(split)
    assert subset.classes == pets.classes
    assert subset.digest != pets.digest


def test_frames_of_a_clip_and_identical_images_stay_together():
    frames = [image(f"yard_mp4-{at}_jpg.rf.{at}.jpg", at) for at in range(6)]
    twin = image("another name.jpg", 0)
    subset = subset_of(snapshot(*frames, twin, *(image(f"p{at}.jpg", 100 + at) for at in range(3))), 0.5)
    clip = {image.file_name for image in (*frames, twin)}
    assert train_names(subset) & clip in (set(), clip)
    assert len(train_names(subset) - clip) == 2 - bool(train_names(subset) & clip)


def test_the_smallest_subset_still_has_boxes():
    subset = subset_of(snapshot(image("only.jpg", 1), *(image(f"e{n}.jpg", 2 + n, boxes=0) for n in range(4))), 0.25)
    assert "only.jpg" in train_names(subset)
    assert len(train_names(subset)) == 2


def test_images_of_the_same_name_in_other_splits_are_kept():
    subset = subset_of(
        snapshot(*(image("a.jpg", n, split) for n, split in enumerate(("train", "valid", "test")))), 0.25
    )
    assert [image.split for image in subset.images] == ["train", "valid", "test"]
