"""Drawn exports: the layout is Roboflow's, the boxes fit, and the same seed draws the same bytes."""

import json

import pytest
from PIL import Image

from deployments.demo.cartoons import draw_export, draw_images
from tasks.labeling.inspection import inspect_export, require_snapshot


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cartoons") / "export"
    draw_export(folder, 3, train=8, valid=3, test=3, size=96)
    return folder


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_export_has_no_findings_but_the_root_category_and_few_images(export, tmp_path):
    inspection = inspect_export(export, tmp_path)
    snapshot = require_snapshot(inspection)
    assert snapshot.classes == ("cat", "dog")
    assert {split: counts.images for split, counts in inspection.splits.items()} == {"train": 8, "valid": 3, "test": 3}
    assert snapshot.counts() == inspection.splits
    assert {finding.code for finding in inspection.findings} <= {
        "root-category", "class-not-in-every-split", "train-tiny", "split-tiny", "class-rare",
    }  # fmt: skip


def test_the_layout_is_that_of_roboflow(export):
    names = contents(export)
    assert {"README.dataset.txt", "README.roboflow.txt", "train/_annotations.coco.json"} <= names.keys()
    document = json.loads(names["train/_annotations.coco.json"])
    assert list(document) == ["info", "licenses", "categories", "images", "annotations"]
    assert document["categories"][0] == {"id": 0, "name": "animals", "supercategory": "none"}
    assert all(image["file_name"].split(".rf.")[0].endswith("_jpg") for image in document["images"])


def test_the_same_seed_draws_the_same_bytes_and_another_seed_other_images(export, tmp_path):
    draw_export(tmp_path / "same", 3, train=8, valid=3, test=3, size=96)
    assert contents(tmp_path / "same") == contents(export)
    draw_export(tmp_path / "other", 4, train=1, valid=0, test=0, size=96)
    assert not contents(tmp_path / "other").keys() & {n for n in contents(export) if n.endswith(".jpg")}


def test_a_split_does_not_depend_on_the_size_of_the_others(export, tmp_path):
    draw_export(tmp_path / "other", 3, train=2, valid=3, test=0, size=96)
    other, original = contents(tmp_path / "other"), contents(export)
    assert {n for n in other if n.startswith("valid/")} == {n for n in original if n.startswith("valid/")}
    assert not (tmp_path / "other" / "test").exists()


def test_boxes_are_tight_around_something_drawn(export):
    """The upper rows of pixels in a box are both dark and light: the dark outline of the animal is among them."""
    document = json.loads((export / "train" / "_annotations.coco.json").read_text())
    assert document["annotations"]
    names = {image["id"]: image["file_name"] for image in document["images"]}
    for annotation in document["annotations"]:
        x, y, w, h = annotation["bbox"]
        assert 0 <= x < x + w <= 96
        assert 0 <= y < y + h <= 96
        grey = Image.open(export / "train" / names[annotation["image_id"]]).convert("L")
        darkest, lightest = grey.crop((x, max(0, y), x + w, min(96, y + 3))).getextrema()
        assert lightest - darkest > 40


def test_new_images_are_others_than_those_of_the_export(export, tmp_path):
    for folder in ("first", "again"):
        draw_images(tmp_path / folder, 3, 3, size=96)
    drawn = contents(tmp_path / "first")
    assert sorted(drawn) == ["new-1.jpg", "new-2.jpg", "new-3.jpg"]
    assert drawn == contents(tmp_path / "again")
    assert not set(drawn.values()) & set(contents(export).values())
    with Image.open(tmp_path / "first" / "new-1.jpg") as image:
        assert image.size == (96, 96)
