"""What goes wrong in real labels, case by case: each input with the right answer."""

import base64
import io
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from tasks.errors import BadExport
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.labeling.page.page import write_page
from tasks.local.dataset_folder import fill
from tasks.records import LabelRules
from tests.fakes.exports import document, image_bytes, numbered, write_export, write_split
from tests.fakes.formats import FORMATS, HEIGHT, SPLITS, WIDTH, Boxes, write_in

BOX = ("cat", 10, 10, 50, 40)


def findings_of(inspection):
    """Findings by code."""
    return {finding.code: finding for finding in inspection.findings}


# A4: paths of data.yaml -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ds", "moved elsewhere"])
@pytest.mark.parametrize(
    "paths",
    [
        "train: proj-1/train/images\nval: proj-1/valid/images\ntest: ../test/images",
        "train: /etc\nval: ../../x\ntest: proj-1/test",
        "",
    ],
)
def test_cases_a4_images_lie_beside_data_yaml_whatever_it_says(tmp_path, name, paths):
    splits = {**SPLITS, "test": {"t.jpg": [BOX]}}
    path = write_in("yolo", tmp_path / name, splits)
    (path / "data.yaml").write_text(f"{paths}\nnc: 2\nnames: [cat, dog]\n")
    inspection = inspect_export(path, tmp_path / "scratch")
    assert {split: (counts.images, counts.boxes) for split, counts in inspection.splits.items()} == {
        "train": (3, 3),
        "valid": (2, 1),
        "test": (1, 1),
    }
    assert "image-missing" not in findings_of(inspection)


# A8: lines of YOLO ------------------------------------------------------------------------------------

MIDDLE = (40, 32, 60, 48)
LINES = {
    "polygon": ("0 .1 .1 .9 .1 .9 .9 .1 .9", [(10, 8, 90, 72)], "box-from-polygon"),
    "turned": ("0 .5 .3 .7 .5 .5 .7 .3 .5", [(30, 24, 70, 56)], "box-from-polygon"),
    "float class": ("0.0 .5 .5 .2 .2", [MIDDLE], None),
    "byte order mark": ("\ufeff0 .5 .5 .2 .2", [MIDDLE], None),
    "confidence": ("0 .5 .5 .2 .2 .9", [MIDDLE], "confidence-dropped"),
    "no confidence": ("0 .5 .5 .2 .2 9", [], "box-in-pixels"),
    "commas": ("0,.5,.5,.2,.2", [], "label-line-bad"),
    "nan in a polygon": ("0 .1 .1 nan .1 .9 .9 .1 .9", [], "label-line-bad"),
    "class too high": ("2 .5 .5 .2 .2", [], "unknown-class-id"),
    "class negative": ("-1 .5 .5 .2 .2", [], "unknown-class-id"),
    "centre outside": ("0 1.2 .5 .2 .2", [], "box-dropped"),
    "over the edge": ("0 1.0 .5 .2 .2", [(90, 32, 100, 48)], "box-clipped"),
    "no width": ("0 .5 .5 0 .2", [], "box-dropped"),
    "nan": ("0 nan .5 .2 .2", [], "box-dropped"),
    "pixels": ("0 320 240 100 80", [], "box-in-pixels"),
    "twice": ("0 .5 .5 .2 .2\n0 .5 .5 .2 .2", [MIDDLE], "box-twice"),
}
"""A label file, the boxes that are right in an image of 100 x 80 pixels, and the code of the finding."""


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """An export of two classes with an image for each."""
    folder = tmp_path_factory.mktemp("lines")
    path = write_in("yolo", folder / "export", {**SPLITS, "train": {f"{name}.jpg": [] for name in LINES}})
    for name, (text, _, _) in LINES.items():
        (path / "train" / "labels" / f"{name}.txt").write_text(f"{text}\n", encoding="utf-8")
    return inspect_export(path, folder / "scratch")


@pytest.mark.parametrize("name", LINES)
def test_cases_a8_a_line_gives_the_right_box_or_a_finding(lines, name):
    _, boxes, code = LINES[name]
    [image] = [image for image in lines.images if image.file_name == f"{name}.jpg"]
    assert [pytest.approx(box[1:]) for box in image.boxes] == boxes
    named = {
        finding.code
        for finding in lines.findings
        for example in finding.examples
        if example.startswith((f"train/{name}.jpg", f"train/{name}.txt:1"))
    }
    assert named == ({code} if code else set())


def test_cases_a8_bad_lines_above_a_small_share_are_an_error(lines):
    assert findings_of(lines)["label-lines-mostly-bad"].examples == ("2 of 18",)  # seventeen in train, one in valid
    with pytest.raises(BadExport, match=r"class list does not have: 2; .*train/class negative.jpg: id -1"):
        require_snapshot(lines)


# A9: splits -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folders", "expected", "codes"),
    [
        (["train"], {"train": 8, "valid": 2}, {"no-valid-split", "no-test-split"}),
        (["train", "val"], {"train": 10, "valid": 2}, {"no-test-split"}),
        (["train", "valid"], {"train": 10, "valid": 2}, {"no-test-split"}),
        (["train", "valid without images"], {"train": 8, "valid": 2}, {"no-valid-split", "no-test-split"}),
        (["train", "valid", "test"], {"train": 10, "valid": 2, "test": 2}, set()),
    ],
)
def test_cases_a9_missing_splits_are_named_and_a_missing_valid_split_is_split_off(tmp_path, folders, expected, codes):
    for folder in folders:
        name, _, empty = folder.partition(" ")
        names = [] if empty else numbered(name, 10 if name == "train" else 2)
        boxes = [(index, 1, (10, 10, 40, 30)) for index in range(len(names))]
        write_split(tmp_path / "x" / name, document(names, boxes))
    inspection = inspect_export(tmp_path / "x", tmp_path / "scratch")
    counts = require_snapshot(inspection).counts()
    assert {split: count.images for split, count in counts.items()} == expected
    assert {code for code in findings_of(inspection) if code.startswith("no-")} == codes


# A10: background --------------------------------------------------------------------------------------


def test_cases_a10_three_ways_to_say_background_are_one_snapshot(tmp_path):
    """No label file, an empty one, and an image that COCO lists without annotations."""
    splits = {"train": {"a.jpg": [BOX], "b.jpg": [], "c.jpg": []}, "valid": SPLITS["valid"]}
    yolo = write_in("yolo", tmp_path / "yolo", splits)
    assert (yolo / "train" / "labels" / "b.txt").read_text() == ""
    (yolo / "train" / "labels" / "c.txt").unlink()
    inspections = [
        inspect_export(path, tmp_path / "scratch") for path in (yolo, write_in("coco", tmp_path / "coco", splits))
    ]
    for inspection in inspections:
        assert inspection.splits["train"].model_dump() == {"images": 3, "boxes": 1, "background": 2, "sources": 3}
        assert require_snapshot(inspection).counts()["train"] == inspection.splits["train"]
    assert len({require_snapshot(inspection).digest for inspection in inspections}) == 1


# A11: leaks -------------------------------------------------------------------------------------------


def test_cases_a11_leaks_are_named_and_equal_file_names_do_not_collide(tmp_path):
    same = image_bytes("same")
    images = {
        "train": {"cat_jpg.rf.aaa.jpg": image_bytes(1), "one.jpg": same, "0001.jpg": image_bytes(2)},
        "valid": {"cat_jpg.rf.bbb.jpg": image_bytes(3), "other.jpg": same, "0001.jpg": image_bytes(4)},
    }
    for split, files in images.items():
        write_split(
            tmp_path / "x" / split, document([*files], [(at, 1, (10, 10, 40, 30)) for at in range(3)]), images[split]
        )
    inspection = inspect_export(tmp_path / "x", tmp_path / "scratch")
    leaks = {code: finding for code, finding in findings_of(inspection).items() if code.startswith("leak-")}
    assert {code: (finding.count, finding.examples) for code, finding in leaks.items()} == {
        "leak-source": (1, ("cat_jpg in train, valid",)),
        "leak-identical": (1, ("train/one.jpg = valid/other.jpg",)),
    }
    snapshot = require_snapshot(inspection)
    fill(tmp_path / "data", snapshot, lambda image, path: shutil.copyfile(inspection.files[image.sha256], path))
    for image in snapshot.images:
        data = (tmp_path / "data" / "images" / image.sha256).read_bytes()
        assert data == images[image.split][image.file_name]


# A13: boxes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "kept", "code"),
    [
        ([-5, -5, 20, 20], [(0, 0, 15, 15)], "box-clipped"),
        ([90, 90, 30, 30], [(90, 90, 100, 100)], "box-clipped"),
        ([10, 10, 0, 20], [], "box-dropped"),
        ([10, 10, -3, 5], [], "box-dropped"),
        ([200, 200, 5, 5], [], "box-dropped"),
        ([float("nan"), 1, 2, 3], [], "box-dropped"),
        ([-0.002, 10, 20, 20], [(0, 10, 19.998, 30)], "box-rounded"),
    ],
)
def test_cases_a13_a_box_is_clipped_or_dropped_and_the_image_stays(tmp_path, box, kept, code):
    export = write_export(tmp_path / "x")
    write_split(export / "train", document(["a.jpg", *numbered("train", 4)], [(0, 1, box), (1, 1, (10, 10, 40, 30))]))
    inspection = inspect_export(export, tmp_path / "scratch")
    [image] = [image for image in require_snapshot(inspection).images if image.file_name == "a.jpg"]
    assert [box[1:] for box in image.boxes] == kept
    changes = {name: finding for name, finding in findings_of(inspection).items() if name.startswith("box-")}
    assert {name: finding.count for name, finding in changes.items()} == {code: 1}
    assert changes[code].examples[0].startswith(f"train/a.jpg: [{box[0]:g}, {box[1]:g}, ")


# A14: images ----------------------------------------------------------------------------------------


def test_cases_a14_the_page_shows_16_bits_as_they_are_trained_on(tmp_path):
    """4000 of 65535 is its high byte, 15, and not white."""
    path = write_in("voc", tmp_path / "export")
    Image.new("I;16", (WIDTH, HEIGHT), 4000).save(path / "train" / "e.jpg", "PNG")
    inspection = inspect_export(path, tmp_path / "scratch")
    assert findings_of(inspection)["unusual-mode"].examples == ("train/e.jpg: I;16",)
    write_page(tmp_path / "page.html", inspection, "export")
    [shown] = [image for image in inspection.images if image.file_name == "e.jpg"]
    assert pixel(tmp_path / "page.html", shown.file_name) == pytest.approx((15, 15, 15), abs=2)


def pixel(page: Path, name: str) -> tuple[int, ...]:
    """The first pixel of an image on a page, by its description."""
    [data] = re.findall(rf'src="data:image/jpeg;base64,([^"]+)" alt="{name}', page.read_text())
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        colour = image.getpixel((0, 0))
    assert isinstance(colour, tuple)
    return colour


# B8: a valid split without boxes ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_cases_b8_a_valid_split_without_boxes_gets_images_of_train_or_is_refused(tmp_path, kind):
    """Ten source images of train give two; a single one cannot give any, and is refused."""
    empty: dict[str, Boxes] = {f"v{number}.jpg": [] for number in range(4)}
    labelled = {f"{number}.jpg": [BOX] for number in range(10)}
    inspection = inspect_export(
        write_in(kind, tmp_path / "ten", {"train": labelled, "valid": empty}, ("cat",)), tmp_path / "scratch"
    )
    counts = require_snapshot(inspection).counts()
    assert counts["valid"].model_dump() == {"images": 6, "boxes": 2, "background": 4, "sources": 6}
    assert counts["train"].images == 8
    assert findings_of(inspection)["no-valid-split"].count == 2

    inspection = inspect_export(
        write_in(kind, tmp_path / "one", {"train": {"0.jpg": [BOX]}, "valid": empty}, ("cat",)), tmp_path / "scratch"
    )
    with pytest.raises(BadExport, match="train is too small to split one off"):
        require_snapshot(inspection)


# Class names --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", FORMATS)
def test_cases_class_names_that_differ_by_case_alone_are_an_error_with_the_class_map_that_merges_them(tmp_path, kind):
    boxes = {f"{number}.jpg": [("cat" if number < 7 else "Cat", 10, 10, 50, 40)] for number in range(10)}
    path = write_in(kind, tmp_path / "export", {"train": boxes}, ("Cat", "cat"))
    inspection = inspect_export(path, tmp_path / "scratch")
    assert findings_of(inspection)["class-names-alike"].examples == (
        "'Cat' (3 boxes), 'cat' (7 boxes): --class-map Cat=cat",
    )
    rules = LabelRules(class_map={"Cat": "cat"})
    assert require_snapshot(inspect_export(path, tmp_path / "scratch", rules=rules)).classes == ("cat",)


@pytest.mark.parametrize("kind", FORMATS)
def test_cases_class_names_are_stripped_in_every_format(tmp_path, kind):
    boxes = {f"{number}.jpg": [(" dog", 10, 10, 50, 40)] for number in range(10)}
    path = write_in(kind, tmp_path / "export", {"train": boxes}, (" dog",))
    assert inspect_export(path, tmp_path / "scratch").classes == ("dog",)


def test_cases_class_names_that_are_equal_in_one_list_are_counted(tmp_path):
    path = write_in("yolo", tmp_path / "export")
    (path / "data.yaml").write_text("nc: 2\nnames: [cat, 'cat ']\n")
    inspection = inspect_export(path, tmp_path / "scratch")
    assert inspection.classes == ("cat",)
    assert findings_of(inspection)["class-name-twice"].examples == ("train: cat", "valid: cat")
