"""Parts of the training images: nested, whole sources, boxes in each, and nothing else changed."""

from itertools import pairwise

import pytest

from tasks.labeling.subset import part_of
from tasks.records import Box, DatasetSnapshot, LabelledImage, LabelSource
from tasks.storage.keys import snapshot as key_of

SHARES = (0.25, 0.5, 0.75, 1.0)


def image(name, number, split="train", boxes=1):
    """The number makes the content."""
    return LabelledImage(
        file_name=name, split=split, sha256=f"{number:064x}", size=1, width=10, height=10,
        boxes=(Box(0, 1, 1, 5, 5),) * boxes,
    )  # fmt: skip


def snapshot(*images):
    return DatasetSnapshot(classes=("cat", "dog"), images=images, source=LabelSource(kind="file", name="pets"))


def train_names(part):
    return {image.file_name for image in part.of_split("train")}


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


def test_each_part_has_its_share_of_sources_with_and_without_boxes(pets):
    for share, labelled, empty in zip(SHARES, (5, 10, 15, 20), (2, 4, 6, 8), strict=True):
        train = part_of(pets, share).of_split("train")
        assert sum(bool(image.boxes) for image in train) == 2 * labelled
        assert sum(not image.boxes for image in train) == 2 * empty


def test_sources_stay_whole(pets):
    for share in SHARES:
        names = train_names(part_of(pets, share))
        assert {name.replace("rf.0", "rf.1") for name in names} == {n for n in names if "rf.1" in n}


def test_parts_are_nested_and_the_whole_is_the_snapshot_itself(pets):
    parts = [train_names(part_of(pets, share)) for share in SHARES]
    assert all(small < large for small, large in pairwise(parts))
    whole = part_of(pets, 1.0)
    assert whole == pets
    assert key_of(whole.digest) == key_of(pets.digest)


def test_valid_test_and_classes_are_untouched(pets):
    part = part_of(pets, 0.25)
    for split in ("valid", "test"):
        assert part.of_split(split) == pets.of_split(split)
    assert part.classes == pets.classes
    assert part.digest != pets.digest


def test_frames_of_a_clip_and_twins_stay_together():
    frames = [image(f"yard_mp4-{at}_jpg.rf.{at}.jpg", at) for at in range(6)]
    twin = image("another name.jpg", 0)
    part = part_of(snapshot(*frames, twin, *(image(f"p{at}.jpg", 100 + at) for at in range(3))), 0.5)
    clip = {image.file_name for image in (*frames, twin)}
    assert train_names(part) & clip in (set(), clip)
    assert len(train_names(part) - clip) == 2 - bool(train_names(part) & clip)


def test_the_smallest_part_still_has_boxes():
    part = part_of(snapshot(image("only.jpg", 1), *(image(f"e{n}.jpg", 2 + n, boxes=0) for n in range(4))), 0.25)
    assert "only.jpg" in train_names(part)
    assert len(train_names(part)) == 2


def test_images_of_the_same_name_in_other_splits_are_no_matter():
    part = part_of(snapshot(*(image("a.jpg", n, split) for n, split in enumerate(("train", "valid", "test")))), 0.25)
    assert [image.split for image in part.images] == ["train", "valid", "test"]
