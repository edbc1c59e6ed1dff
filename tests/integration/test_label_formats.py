"""Exports of every format: the same labels give the same snapshot, and faults become findings."""

import re
import shutil
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tasks.errors import BadExport
from tasks.labeling.formats.zips import pack
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.labeling.page.page import write_page
from tasks.records import LabelRules
from tests.fakes.exports import document, image_bytes, write_export, write_split
from tests.fakes.formats import CLASSES, FORMATS, SPLITS, rows, write_in


def findings_of(inspection):
    """Findings by code."""
    return {finding.code: finding for finding in inspection.findings}


def inspect(path: Path, tmp_path: Path, **rules: Any):
    return inspect_export(path, tmp_path / "scratch", rules=LabelRules(**rules))


@pytest.fixture(scope="module")
def digest(tmp_path_factory):
    folder = tmp_path_factory.mktemp("coco")
    return require_snapshot(inspect(write_in("coco", folder / "export"), folder)).digest


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_the_same_labels_are_one_snapshot_in_every_format(digest, tmp_path, kind, form):
    path = write_in(kind, tmp_path / "export")
    if form == "zip":
        pack(path, tmp_path / "export.zip")
        path = tmp_path / "export.zip"
    inspection = inspect(path, tmp_path)
    assert inspection.format == kind
    assert inspection.classes == CLASSES
    assert {split: counts.model_dump() for split, counts in inspection.splits.items()} == {
        "train": {"images": 3, "boxes": 3, "background": 1, "sources": 3},
        "valid": {"images": 2, "boxes": 1, "background": 1, "sources": 2},
    }
    assert require_snapshot(inspection).digest == digest
    assert not {finding.code for finding in inspection.findings if finding.severity == "error"}


@pytest.mark.parametrize("kind", FORMATS)
def test_a_format_is_detected_by_content_not_by_file_names(digest, tmp_path, kind):
    """Label files and folders with other names, in an export without the usual ones beside."""
    path = write_in(kind, tmp_path / "export")
    (path / "README.roboflow.txt").unlink()
    for usual, other in (("_annotations.coco.json", "instances.json"), ("_annotations.csv", "boxes.csv")):
        for file in path.rglob(usual):
            file.rename(file.with_name(other))
    for folder in path.glob("*/labels"):
        folder.rename(folder.with_name("label"))
    inspection = inspect(path, tmp_path)
    assert (inspection.format, require_snapshot(inspection).digest) == (kind, digest)
    odd_folders = {"yolo": ("train/label", "valid/label")}
    finding = findings_of(inspection).get("label-folder-odd")
    assert (finding.examples if finding else None) == odd_folders.get(kind)


def test_splits_may_lie_below_images_and_labels(digest, tmp_path):
    """As Ultralytics lays out its own data sets."""
    path = write_in("yolo", tmp_path / "export")
    for split in SPLITS:
        for name in ("images", "labels"):
            (path / name).mkdir(exist_ok=True)
            (path / split / name).rename(path / name / split)
        (path / split).rmdir()
    inspection = inspect(path, tmp_path)
    assert require_snapshot(inspection).digest == digest
    assert "label-folder-odd" not in findings_of(inspection)


@pytest.mark.parametrize("kind", FORMATS)
def test_without_split_folders_all_images_are_train(tmp_path, kind):
    """And a validation split is split off."""
    train = {f"{number}.jpg": [("cat", 10, 10, 50, 40)] for number in range(10)}
    path = write_in(kind, tmp_path / "export", {"train": train}, ("cat",))
    for file in (path / "train").iterdir():
        file.rename(path / file.name)
    (path / "train").rmdir()
    inspection = inspect(path, tmp_path)
    counts = require_snapshot(inspection).counts()
    assert (counts["train"].images, counts["valid"].images) == (8, 2)
    assert findings_of(inspection)["no-valid-split"].count == 2


@pytest.mark.parametrize("kind", ["yolo", "darknet", "voc"])
def test_cases_a10_a_missing_label_file_means_background_like_an_empty_one(tmp_path, kind):
    path = write_in(kind, tmp_path / "export")
    suffix = ".xml" if kind == "voc" else ".txt"
    expected = require_snapshot(inspect(path, tmp_path)).digest
    [label] = path.rglob(f"train/**/e{suffix}")
    label.unlink()
    inspection = inspect(path, tmp_path)
    assert require_snapshot(inspection).digest == expected
    assert findings_of(inspection)["label-missing"].examples == ("train/e.jpg",)
    dropped = inspect(path, tmp_path, background="drop")
    assert findings_of(dropped)["background-dropped"].examples == ("train/e.jpg",)
    assert dropped.splits["train"].images == inspection.splits["train"].images - 1
    assert "image-unlisted" not in findings_of(dropped)


@pytest.mark.parametrize(
    ("rule", "boxes", "code"), [("keep", 4, "box-nearly-twice"), ("merge", 3, "box-doubles-merged")]
)
def test_cases_boxes_of_two_annotators_a_pixel_apart_are_kept_or_merged(tmp_path, rule, boxes, code):
    """The second cat is the first one; the dog in the same place is none."""
    drawn = [("cat", 10, 10, 50, 40), ("cat", 11, 10, 50, 41), ("dog", 10, 10, 50, 40), ("cat", 60, 10, 90, 40)]
    path = write_in("voc", tmp_path / "export", {**SPLITS, "train": {**SPLITS["train"], "two.jpg": drawn}})
    inspection = inspect(path, tmp_path, double_boxes=rule)
    [image] = [image for image in inspection.images if image.file_name == "two.jpg"]
    assert len(image.boxes) == boxes
    assert findings_of(inspection)[code].examples == ("train/two.jpg: [11, 10, 39, 31]",)
    assert len({"box-nearly-twice", "box-doubles-merged"} & findings_of(inspection).keys()) == 1


def test_cases_near_duplicates_are_looked_for_after_a_validation_split_was_split_off(tmp_path):
    """Twenty copies of one image under names without a number: some are held out, and look like those in train."""
    names = [f"{letter}.jpg" for letter in "abcdefghijklmnopqrst"]
    path = write_in("voc", tmp_path / "export", {"train": {name: [("cat", 10, 10, 50, 40)] for name in names}})
    for quality, name in enumerate(names, start=70):
        structured_image(1, (100, 80), 90).save(path / "train" / name, quality=quality)
    inspection = inspect(path, tmp_path)
    assert findings_of(inspection)["no-valid-split"].count == 4
    assert findings_of(inspection)["leak-near-duplicate"].count == 4


def test_a_split_without_any_label_file_is_an_error(tmp_path):
    path = write_in("yolo", tmp_path / "export")
    for file in (path / "valid" / "labels").iterdir():
        file.unlink()
    (path / "valid" / "labels" / "create").write_text("")
    inspection = inspect(path, tmp_path)
    assert findings_of(inspection)["split-without-labels"].examples == ("valid: labels/",)
    assert findings_of(inspection)["stray-file"].examples == ("valid/labels/create",)
    with pytest.raises(BadExport, match="not one label file"):
        require_snapshot(inspection)


def test_label_files_without_an_image_are_named(tmp_path):
    path = write_in("yolo", tmp_path / "export")
    (path / "train" / "images" / "b.jpg").unlink()
    inspection = inspect(path, tmp_path)
    assert findings_of(inspection)["label-without-image"].examples == ("train/b.txt",)
    assert inspection.splits["train"].images == 2


@pytest.mark.parametrize("kind", ["yolo", "darknet", "voc"])
@pytest.mark.parametrize("name", ["test", "train", "classes", "README"])
def test_an_image_may_have_the_name_of_another_text_file(tmp_path, kind, name):
    splits = {**SPLITS, "train": {**SPLITS["train"], f"{name}.jpg": [("cat", 10, 10, 50, 40)]}}
    inspection = inspect(write_in(kind, tmp_path / "export", splits), tmp_path)
    assert inspection.splits["train"].boxes == 4
    assert "label-missing" not in findings_of(inspection)


def test_cases_a8_too_many_bad_lines_are_an_error(tmp_path):
    path = write_in("yolo", tmp_path / "export")
    (path / "train" / "labels" / "e.txt").write_text("cat in the garden\n")
    inspection = inspect(path, tmp_path)
    assert findings_of(inspection)["label-line-bad"].examples == ("train/e.txt:1: cat in the garden",)
    assert findings_of(inspection)["label-lines-mostly-bad"].examples == ("1 of 5",)


def test_cases_a8_a_few_bad_lines_are_left_out(tmp_path):
    train = {f"{number}.jpg": [("cat", 10, 10, 50, 40)] * 1 + [("dog", 1, 1, 9, 9)] for number in range(60)}
    path = write_in("yolo", tmp_path / "export", {"train": train, "valid": SPLITS["valid"]})
    with (path / "train" / "labels" / "0.txt").open("a") as file:
        file.write("0 0.5 0.5\n")
    inspection = inspect(path, tmp_path)
    assert findings_of(inspection)["label-line-bad"].count == 1
    assert require_snapshot(inspection).counts()["train"].boxes == 120


def test_cases_b5_undeclared_class_ids_are_errors_until_they_are_mapped(tmp_path):
    """A class that was removed from the list alone: two of three boxes have its id."""
    path = write_in("yolo", tmp_path / "export")
    (path / "data.yaml").write_text("names: [cat]\n")
    inspection = inspect(path, tmp_path)
    assert findings_of(inspection)["unknown-class-id"].count == 2
    assert (inspection.listed["train"].boxes, inspection.splits["train"].boxes) == (3, 1)
    with pytest.raises(BadExport, match=r"class list does not have: 2; .*such as train/a.jpg: id 1"):
        require_snapshot(inspection)
    mapped = require_snapshot(inspect(path, tmp_path, class_map={"#1": "dog"}))
    assert mapped.classes == CLASSES


@pytest.mark.parametrize("kind", ["yolo", "darknet"])
def test_cases_b5_class_ids_that_count_from_one_are_errors(tmp_path, kind):
    path = write_in(kind, tmp_path / "export")
    for file in path.rglob("?.txt"):
        file.write_text("".join(f"{int(line[0]) + 1}{line[1:]}\n" for line in file.read_text().splitlines()))
    assert findings_of(inspect(path, tmp_path))["unknown-class-id"].count == 2


def test_class_lists_of_splits_are_joined_by_name(digest, tmp_path):
    """The lists of darknet's splits may differ in order."""
    path = write_in("darknet", tmp_path / "export")
    (path / "valid" / "_darknet.labels").write_text("dog\ncat\n")
    (path / "valid" / "c.txt").write_text(rows([("cat", 20, 20, 60, 60)], ("dog", "cat")))
    assert require_snapshot(inspect(path, tmp_path)).digest == digest


def test_several_formats_in_one_export_are_refused(tmp_path):
    path = write_in("coco", tmp_path / "export")
    shutil.rmtree(path / "valid")
    write_in("voc", tmp_path / "other")
    (tmp_path / "other" / "valid").rename(path / "valid")
    with pytest.raises(BadExport, match=r"several formats \(train/ is coco, valid/ is voc\)"):
        inspect(path, tmp_path)


def classification(folder: Path) -> Path:
    for name in ("train/cat/a.jpg", "train/dog/b.jpg", "valid/cat/c.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(image_bytes(name))
    return folder


def one_hot(folder: Path) -> Path:
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "a.jpg").write_bytes(image_bytes())
    (folder / "train" / "_classes.csv").write_text("filename, cat, dog\na.jpg, 1, 0\n")
    return folder


@pytest.mark.parametrize("write", [classification, one_hot])
def test_exports_of_another_task_are_named_and_refused(tmp_path, write):
    with pytest.raises(BadExport, match=r"looks like classification \(.*no boxes\); export it as one of: COCO JSON, "):
        inspect(write(tmp_path / "export"), tmp_path)


def test_keypoints_are_ignored_and_counted(tmp_path):
    annotation = {"image_id": 0, "category_id": 1, "bbox": [10, 10, 40, 30], "keypoints": [1, 1, 2]}
    path = write_export(tmp_path / "x")
    write_split(path / "train", document(["a.jpg", "b.jpg"], [annotation, (1, 2, (1, 1, 50, 50))]))
    assert findings_of(inspect(path, tmp_path))["keypoints-ignored"].count == 1


# Classes, and images left out, on request ---------------------------------------------------------


def test_a_class_map_renames_and_drops_classes_of_an_export(tmp_path):
    path = write_in("coco", tmp_path / "export")
    snapshot = require_snapshot(inspect(path, tmp_path, class_map={"dog": "", "cat": "animal"}))
    assert snapshot.classes == ("animal",)
    assert {image.file_name: len(image.boxes) for image in snapshot.images} == {
        "a.jpg": 1, "b.jpg": 0, "c.jpg": 1, "d.jpg": 0, "e.jpg": 0,
    }  # fmt: skip


def test_cases_a14_unusable_images_are_skipped_only_on_request(tmp_path):
    path = write_in("coco", tmp_path / "export")
    (path / "train" / "b.jpg").unlink()
    (path / "train" / "e.jpg").write_bytes(b"no image")
    assert {"image-missing", "image-unreadable"} <= findings_of(inspect(path, tmp_path)).keys()
    assert findings_of(inspect(path, tmp_path, on_unreadable_image="skip"))["images-mostly-skipped"].count == 2
    inspection = inspect(path, tmp_path, on_unreadable_image="skip", max_unreadable_images=0.4)
    assert findings_of(inspection)["image-skipped"].count == 2
    assert [image.file_name for image in require_snapshot(inspection).of_split("train")] == ["a.jpg"]


# Looks ------------------------------------------------------------------------------------------------


def structured_image(seed: int, size: tuple[int, int], quality: int) -> Image.Image:
    """An image with structure, the same at every size."""
    noise = Image.effect_noise((9, 9), 200) if seed < 0 else Image.frombytes(
        "L", (9, 9), bytes((seed * 7919 + index * index * 31) % 251 for index in range(81))
    )  # fmt: skip
    return noise.resize(size, Image.Resampling.BICUBIC).convert("RGB")


def test_cases_a11_a_near_duplicate_in_another_split_is_a_leak(tmp_path):
    path = write_in("voc", tmp_path / "export")
    structured_image(1, (100, 80), 90).save(path / "train" / "a.jpg", quality=95)
    structured_image(1, (300, 240), 90).save(path / "valid" / "c.jpg", quality=60)
    structured_image(2, (100, 80), 90).save(path / "valid" / "d.jpg", quality=90)
    inspection = inspect(path, tmp_path)
    assert findings_of(inspection)["leak-near-duplicate"].examples == ("train/a.jpg = valid/c.jpg",)


def test_cases_a11_frames_of_one_clip_in_two_splits_are_a_leak(tmp_path):
    frames = [f"cows_mp4-{number:04}_jpg.rf.{number:032x}.jpg" for number in range(12)]
    splits = {
        "train": {name: [("cat", 10, 10, 50, 40)] for name in frames[:8]},
        "valid": {name: [("cat", 10, 10, 50, 40)] for name in frames[8:]},
    }
    inspection = inspect(write_in("voc", tmp_path / "export", splits), tmp_path)
    assert findings_of(inspection)["leak-frames"].examples == ("cows_mp4 in train, valid",)


def test_splitting_off_keeps_clips_together(tmp_path):
    names = [f"clip{clip}_mp4-{frame}_jpg.rf.{clip:016x}{frame:016x}.jpg" for clip in range(5) for frame in range(4)]
    train = {name: [("cat", 10, 10, 50, 40)] for name in names}
    snapshot = require_snapshot(inspect(write_in("voc", tmp_path / "x", {"train": train}), tmp_path))
    clips = {split: {image.file_name[:5] for image in snapshot.of_split(split)} for split in ("train", "valid")}
    assert len(clips["valid"]) == 1
    assert not clips["train"] & clips["valid"]


@pytest.mark.parametrize(("kind", "frames"), [("PNG", 2), ("WEBP", 2), ("TIFF", 2)])
def test_cases_a14_animated_images_are_unreadable(tmp_path, kind, frames):
    path = write_in("voc", tmp_path / "export")
    images = [Image.new("RGB", (100, 80), (40 * number, 0, 0)) for number in range(frames)]
    images[0].save(path / "train" / "a.jpg", kind, save_all=True, append_images=images[1:])
    assert "2 frames" in findings_of(inspect(path, tmp_path))["image-unreadable"].examples[0]


@pytest.mark.parametrize(
    ("mode", "kind", "suffix", "expected"),
    [
        ("L", "JPEG", ".jpg", {}),
        ("RGB", "WEBP", ".webp", {}),
        ("RGB", "PNG", ".jpg", {"suffix-differs": "PNG"}),
        ("CMYK", "JPEG", ".jpg", {"unusual-mode": "CMYK"}),
        ("I;16", "PNG", ".png", {"unusual-mode": "I;16"}),
        ("RGBA", "PNG", ".jpg", {"suffix-differs": "PNG", "unusual-mode": "RGBA"}),
    ],
)
def test_cases_a14_unusual_modes_and_wrong_suffixes_are_named(tmp_path, mode, kind, suffix, expected):
    path = write_in("voc", tmp_path / "export")
    (path / "train" / "a.jpg").unlink()
    Image.new(mode, (100, 80)).save(path / "train" / f"a{suffix}", kind)
    inspection = inspect(path, tmp_path)
    codes = findings_of(inspection)
    kinds = {"suffix-differs", "unusual-mode", "size-scaled", "image-unreadable"}
    assert {code: codes[code].examples for code in kinds & codes.keys()} == {
        code: (f"train/a{suffix}: {example}",) for code, example in expected.items()
    }
    [image] = [image for image in require_snapshot(inspection).images if image.file_name == f"a{suffix}"]
    assert (image.width, image.height, len(image.boxes)) == (100, 80, 2)


def test_small_splits_and_rare_classes_are_counted(tmp_path):
    codes = findings_of(inspect(write_in("coco", tmp_path / "export"), tmp_path))
    assert codes["train-below-batch"].count == 3
    assert "train-tiny" not in codes
    assert codes["split-tiny"].examples == ("valid: 2",)
    assert codes["class-rare"].examples == ("cat: 1", "dog: 2")


# The page ---------------------------------------------------------------------------------------------


def test_the_page_shows_findings_counts_and_images(tmp_path):
    """And loads nothing from outside, whatever classes and files are called."""
    name = "<img src=x onerror=alert(1)>"
    splits = {
        "train": {"a.jpg": [(name, 10, 10, 50, 40), (name, 0, 0, 2, 2)], "b & c.jpg": [("dog", 1, 2, 99, 70)]},
        "valid": {"c.jpg": [("dog", 20, 20, 60, 60)]},
    }
    path = write_in("coco", tmp_path / "export", splits, (name, "dog"))
    inspection = inspect(path, tmp_path)
    write_page(tmp_path / "page.html", inspection, "<export>")
    text = (tmp_path / "page.html").read_text()
    assert "Ready to train on" in text
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;" in text
    assert "<h1>Labels: &lt;export&gt;</h1>" in text
    assert not {"<script", "http:", "https:", "url("} & set(re.findall(r"<script|https?:|url\(", text))
    sources = re.findall(r'src="([^"]{0,30})', text)
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert len(sources) == 3 + 1  # the contact sheet, and the image with a tiny box
    assert "<strong>box-tiny</strong>: [0, 0, 2, 2]" in text
    assert inspect(path, tmp_path).snapshot == inspection.snapshot


def reasons_on(page: Path) -> dict[str, list[str]]:
    """Reasons on the page by flagged image."""
    flagged, _, _ = page.read_text().partition('<h2 id="gallery-2"')
    _, *figures = flagged.split("<figure")
    return {
        unescape(re.findall(r'class="place">(.*?)</span>', figure)[0]): [
            unescape(re.sub("<.*?>", "", item)) for item in re.findall("<li>(<strong>.*?)</li>", figure)
        ]
        for figure in figures
    }


def test_the_page_shows_images_of_faulty_label_files(tmp_path):
    path = write_in("yolo", tmp_path / "export")
    (path / "train" / "labels" / "a.txt").write_text("0 .5 .5 .2 .2\ncat in the garden\n")
    (path / "train" / "labels" / "b.txt").write_text("0 320 240 100 80\n")
    write_page(tmp_path / "page.html", inspect(path, tmp_path), "export")
    assert reasons_on(tmp_path / "page.html") == {
        "train/b.jpg": ["box-in-pixels: line 1"],
        "train/a.jpg": ["label-line-bad: line 2: cat in the garden"],
    }


def test_the_page_shows_both_images_of_a_leak_whatever_they_are_called(tmp_path):
    splits = {
        "train": {"one = two.jpg": [("cat", 10, 10, 50, 40)], "one.jpg": [("cat", 10, 10, 50, 40)]},
        "valid": {"one = two.jpg": [("dog", 10, 10, 50, 40)]},
    }
    path = write_in("coco", tmp_path / "export", splits)
    shutil.copy(path / "train" / "one = two.jpg", path / "valid" / "one = two.jpg")
    write_page(tmp_path / "page.html", inspect(path, tmp_path), "export")
    assert reasons_on(tmp_path / "page.html") == {
        "train/one = two.jpg": ["leak-identical: valid/one = two.jpg"],
        "valid/one = two.jpg": ["leak-identical: train/one = two.jpg"],
    }


def test_the_page_says_what_is_split_off(tmp_path):
    train = {f"{number}.jpg": [("cat", 10, 10, 50, 40)] for number in range(10)}
    path = write_in("voc", tmp_path / "export", {"train": train})
    write_page(tmp_path / "page.html", inspect(path, tmp_path), "export")
    text = (tmp_path / "page.html").read_text()
    assert "Training uses 8 images as train, and 2 split off as the validation split." in text


def test_the_page_of_labels_that_cannot_be_trained_on(tmp_path):
    path = write_in("coco", tmp_path / "export")
    (path / "train" / "b.jpg").write_bytes(b"broken")
    write_page(tmp_path / "page.html", inspect(path, tmp_path), "export")
    text = (tmp_path / "page.html").read_text()
    assert "Cannot be trained on as it is" in text
    assert "train/b.jpg: not an image" in text
