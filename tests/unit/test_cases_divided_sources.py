"""Images that belong together by their names are on one side when a validation split is split off."""

import hashlib

import pytest

from tasks.images.source_names import Numbered, numbered_name, tile_parents
from tasks.labeling.checks.leaks import check_leaks
from tasks.labeling.findings import FindingCounter
from tasks.labeling.sources import split_off_validation
from tasks.records import Box, LabelledImage


def image(name, split="train"):
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return LabelledImage(
        file_name=name, split=split, sha256=sha256, size=9, width=10, height=10, boxes=(Box(0, 0, 0, 5, 5),)
    )


def held_out(names):
    """Names of the images that are split off."""
    return {one.file_name for one in split_off_validation([image(name) for name in names]) if one.split == "valid"}


def frames(count, pattern="frame_{:06}.PNG"):
    return [pattern.format(number) for number in range(count)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("frame_000012.PNG", Numbered("frame_", 12)),
        ("IMG_2034_jpg.rf.0123456789abcdef0123456789abcdef.jpg", Numbered("IMG_", 2034)),
        ("walk/7.jpg", Numbered("walk/", 7)),
        ("000000397133.jpg", Numbered("", 397133)),
        ("cat.jpg", None),
        ("cat2a.jpg", None),
    ],
)
def test_the_number_at_the_end_of_a_name(name, expected):
    assert numbered_name(name) == expected


@pytest.mark.parametrize("step", [1, 30])
@pytest.mark.parametrize("pattern", ["frame_{:06}.PNG", "yard-{}.jpg", "IMG_{}_jpg.rf.00000000.jpg"])
def test_cases_f9_frames_are_split_off_in_runs_of_neighbours(pattern, step):
    """100 frames have runs of 8 by their number, or by each thirtieth; all of a run are on one side."""
    names = [pattern.format(step * number) for number in range(100)]
    chosen = held_out(names)
    assert 16 <= len(chosen) <= 24
    runs = [names[start : start + 8] for start in range(0, 100, 8)]
    assert all(set(run) <= chosen or not set(run) & chosen for run in runs)
    beside = [name for name in chosen for step in (-1, 1) if 0 <= names.index(name) + step < 100
              and names[names.index(name) + step] not in chosen]  # fmt: skip
    assert len(beside) <= 6


def test_cases_f9_frames_that_are_added_move_few_others():
    before, after = held_out(frames(100)), held_out(frames(120))
    assert len(before - after) <= 8


def test_each_of_two_numbered_classes_stays_in_train():
    names = frames(40, "cat{}.jpg") + frames(40, "dog{}.jpg")
    train = set(names) - held_out(names)
    assert len([name for name in train if name.startswith("cat")]) >= 16
    assert len([name for name in train if name.startswith("dog")]) >= 16


@pytest.mark.parametrize("pattern", ["field{}_{}_{}.png", "field{}-x{}y{}.jpg", "a/field{}_r{}_c{}.tif"])
def test_cases_f9_tiles_of_one_image_stay_together(pattern):
    tiles = {
        parent: [pattern.format(parent, row, column) for row in (0, 512) for column in (0, 512, 1024)]
        for parent in range(20)
    }
    names = [name for of_parent in tiles.values() for name in of_parent]
    assert len(set(tile_parents(names).values())) == 20
    chosen = held_out(names)
    assert len(chosen) == 24
    assert all(set(of_parent) <= chosen or not set(of_parent) & chosen for of_parent in tiles.values())


def test_cases_f9_tiles_of_one_image_in_two_splits_are_a_leak():
    images = [
        image(f"field{parent}_{row}_{column}.png", "valid" if (parent, row, column) == (3, 1, 1) else "train")
        for parent in range(12) for row in range(2) for column in range(2)
    ]  # fmt: skip
    findings = FindingCounter()
    check_leaks(images, findings)
    [finding] = findings.summary()
    assert (finding.code, finding.examples) == ("leak-tiles", ("field3 in train, valid",))


@pytest.mark.parametrize(
    "names",
    [
        [f"IMG_202601{day:02}_{90000 + 317 * day}.jpg" for day in range(1, 29)],  # a date and a time
        [f"{name}_{session}_{at}.jpg" for name in ("horse", "zebra") for session in range(3) for at in range(9)],
    ],
)
def test_two_numbers_that_are_no_position_do_not_hold_images_together(names):
    assert tile_parents(names) == {}
    assert 0.1 * len(names) <= len(held_out(names)) <= 0.3 * len(names)
