"""The check of exports on disk: real ones, compared with the counts of another reader, and made ones with faults.

Real exports are not part of this repository: NASFLOW_TEST_EXPORTS names a folder of them with its expected.json.
"""

import io
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.errors import BadExport
from tasks.labeling.difference import difference
from tasks.labeling.formats.zips import pack
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.metrics import coco_ground_truth, score
from tasks.records import SPLITS, LabelRules
from tests.fakes.coco import pycocotools_evaluation
from tests.fakes.exports import document, image_bytes, numbered, write_export, write_split

BOX = (10, 10, 40, 30)


def findings_of(inspection):
    """Findings by code."""
    return {finding.code: finding for finding in inspection.findings}


# Real exports -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exports():
    folder = os.environ.get("NASFLOW_TEST_EXPORTS")
    if not folder:
        pytest.skip("NASFLOW_TEST_EXPORTS is not set: real exports are not tested")
    return Path(folder)


@pytest.fixture(scope="module")
def expected(exports):
    return json.loads((exports / "expected.json").read_text())


@pytest.fixture(scope="module")
def inspected(exports, tmp_path_factory):
    inspections = {}

    def inspect(name):
        if name not in inspections:
            inspections[name] = inspect_export(exports / name, tmp_path_factory.mktemp("scratch"))
        return inspections[name]

    return inspect


SOUND = [
    "animals-coco-polygons",
    "bin-darknet-grey",
    "cards-voc-trainonly",
    "digits-coco-grey",
    "dogs-thermal-coco",
    "eggs-coco-224",
    "farm-catdog-tfcsv",
    "farm-yolov8-labeldir",
    "maths-coco-55classes",
    "zips/FarmAnimalDetector.v1i.coco.zip",
    "zips/FarmAnimalDetector.v1i.yolov8.zip",
    "zips/FarmAnimalDetector.v3i.coco.zip",
]
FAULTY = ["cats-yolov5-badids", "rabbits-coco-missingfiles"]


@pytest.mark.parametrize("name", SOUND + FAULTY)
def test_real_exports_hold_what_another_reader_counted(expected, inspected, name):
    inspection, truth = inspected(name), expected[name]
    keys = {"images", "boxes", "background"} if name in SOUND else {"images"}
    assert {split: counts.model_dump(include=keys) for split, counts in inspection.splits.items()} == {
        split: {key: counts[key] for key in keys} for split, counts in truth["splits"].items()
    }
    listed = {split: counts.boxes for split, counts in inspection.listed.items()}
    assert listed == {split: counts["boxes"] for split, counts in truth["splits"].items()}
    assert inspection.format == truth["format"]
    assert set(inspection.classes) == set(truth["classes"])
    roots = findings_of(inspection)["root-category"].examples if "root-category" in findings_of(inspection) else (None,)
    assert roots == (truth["root_category"],)


@pytest.mark.parametrize("name", SOUND)
def test_real_exports_make_snapshots_with_every_box(expected, inspected, name):
    snapshot = require_snapshot(inspected(name))
    totals = dict.fromkeys(snapshot.classes, 0)
    for image in snapshot.images:
        for box in image.boxes:
            totals[snapshot.classes[box.class_index]] += 1
            assert 0 <= box.x1 < box.x2 <= image.width
            assert 0 <= box.y1 < box.y2 <= image.height
    assert totals == expected[name]["classes"]


@pytest.mark.parametrize("name", [*SOUND, "zips/FarmAnimalDetector.v1i.retinanet.zip"])
def test_real_exports_are_the_same_as_folder_and_as_zip(exports, inspected, tmp_path, name):
    if name.endswith(".zip"):
        other = tmp_path / "folder"
        shutil.unpack_archive(exports / name, other)
    else:
        other = tmp_path / "packed.zip"
        pack(exports / name, other)
    inspection = inspect_export(other, tmp_path / "scratch")
    assert require_snapshot(inspection).digest == require_snapshot(inspected(name)).digest
    assert inspection.findings == inspected(name).findings


def test_three_formats_of_one_real_version_agree_to_half_a_pixel(inspected):
    kinds = ("coco.zip", "yolov8.zip", "retinanet.zip")
    first, *others = (require_snapshot(inspected(f"zips/FarmAnimalDetector.v1i.{kind}")) for kind in kinds)
    for other in others:
        assert other.classes == first.classes
        changes = difference(first, other)
        assert changes.is_empty, changes
        for one, two in zip(first.images, other.images, strict=True):
            assert one.sha256 == two.sha256
            for box in one.boxes:
                near = [other for other in two.boxes if max(abs(a - b) for a, b in zip(box, other, strict=True)) <= 0.5]
                assert len(near) == 1, (one.file_name, box, two.boxes)


def test_the_difference_between_two_real_versions_is_moved_images(expected, inspected):
    """Nine images went from train and valid to test; none was added, removed or labelled anew."""
    first, later = (require_snapshot(inspected(f"zips/FarmAnimalDetector.{v}.coco.zip")) for v in ("v1i", "v3i"))
    changes = difference(first, later)
    assert (changes.classes_added, changes.classes_removed, changes.classes_reordered) == ((), (), False)
    assert changes.images_added.count == changes.images_removed.count == changes.images_relabelled.count == 0
    assert changes.images_moved.count >= 9
    assert all(boxes.before == boxes.after for boxes in changes.boxes.values())


def test_real_boxes_over_the_edge_are_clipped_and_counted(inspected):
    findings = findings_of(inspected("animals-coco-polygons"))
    assert findings["box-clipped"].count == 1
    assert "by 244.6 px" in findings["box-clipped"].examples[0]
    assert findings["box-rounded"].count == 9
    assert findings["leak-identical"].count == 2


def test_real_class_lists_are_read_with_their_gaps(inspected):
    assert inspected("digits-coco-grey").classes == tuple("0123456789")
    findings = findings_of(inspected("maths-coco-55classes"))
    assert findings["class-unused"].examples == ("x-",)
    assert findings["class-not-in-train"].count == 1
    assert findings["leak-source"].count == 4


def test_real_missing_images_are_errors(inspected):
    inspection = inspected("rabbits-coco-missingfiles")
    assert findings_of(inspection)["image-missing"].count == 20
    with pytest.raises(BadExport, match=r"not on disk: 20; .*such as train/1100e271fb475048_jpg"):
        require_snapshot(inspection)


def test_real_missing_images_are_skipped_on_request(exports, tmp_path):
    inspection = inspect_export(
        exports / "rabbits-coco-missingfiles", tmp_path, rules=LabelRules(on_unreadable_image="skip")
    )
    assert findings_of(inspection)["images-mostly-skipped"].count == 20
    rules = LabelRules(on_unreadable_image="skip", max_unreadable_images=0.6)
    inspection = inspect_export(exports / "rabbits-coco-missingfiles", tmp_path, rules=rules)
    assert findings_of(inspection)["image-skipped"].count == 20
    counts = require_snapshot(inspection).counts()
    assert counts["train"].images + counts["valid"].images == 16
    assert findings_of(inspection)["no-valid-split"].count == counts["valid"].images


def test_real_undeclared_class_ids_are_errors_until_they_are_mapped(exports, inspected, tmp_path):
    inspection = inspected("cats-yolov5-badids")
    assert findings_of(inspection)["unknown-class-id"].count == 49
    assert "no-train-boxes" not in findings_of(inspection)
    with pytest.raises(BadExport, match=r"the class list does not have: 49; .*--class-map '#2=cat'"):
        require_snapshot(inspection)
    rules = LabelRules(class_map={"#2": "Cats"})
    snapshot = require_snapshot(inspect_export(exports / "cats-yolov5-badids", tmp_path, rules=rules))
    assert snapshot.classes == ("Cats",)
    assert sum(counts.boxes for counts in snapshot.counts().values()) == 55


def test_real_labels_in_an_unusual_folder_are_read_and_counted(inspected):
    codes = findings_of(inspected("farm-yolov8-labeldir"))
    assert codes["label-folder-odd"].examples == ("train/label",)
    assert codes["stray-file"].examples == ("train/label/create",)
    assert codes["leak-frames"].count > 0
    assert "label-missing" not in codes


def test_real_voc_corners_count_from_one(inspected):
    codes = findings_of(inspected("cards-voc-trainonly"))
    assert not codes.keys() & {"box-clipped", "box-rounded", "box-dropped"}
    assert codes["no-valid-split"].severity == "warning"


# Made exports -------------------------------------------------------------------------------------


def test_folder_zip_and_zipped_folder_have_one_digest(tmp_path):
    export = write_export(tmp_path / "export", test=2)
    pack(export, tmp_path / "flat.zip")
    (tmp_path / "outer").mkdir()
    shutil.copytree(export, tmp_path / "outer" / "export")
    pack(tmp_path / "outer", tmp_path / "nested.zip")
    paths = [export, tmp_path / "flat.zip", tmp_path / "nested.zip", tmp_path / "outer"]
    inspections = [inspect_export(path, tmp_path / "scratch") for path in paths]
    assert len({require_snapshot(inspection).digest for inspection in inspections}) == 1
    for inspection in inspections:
        assert set(inspection.files) == {image.sha256 for image in inspection.snapshot.images}
        assert all(path.is_file() for path in inspection.files.values())


def test_progress_counts_every_image(tmp_path):
    calls = []
    inspect_export(write_export(tmp_path / "x"), tmp_path, lambda done, total: calls.append((done, total)))
    assert calls == [(i, 6) for i in range(1, 7)]


def test_cases_a9_a_folder_called_val_is_the_valid_split(tmp_path):
    export = write_export(tmp_path / "x")
    (export / "valid").rename(export / "val")
    assert inspect_export(export, tmp_path).splits["valid"].images == 2


@pytest.mark.parametrize("valid", ["absent", "empty folder", "no images"])
def test_cases_a9_without_a_valid_split_one_is_split_off(tmp_path, valid):
    export = write_export(tmp_path / "x", train=10, valid=0)
    if valid != "absent":
        (export / "valid").mkdir()
    if valid == "no images":
        write_split(export / "valid", document([]))
    inspection = inspect_export(export, tmp_path)
    assert findings_of(inspection)["no-valid-split"].count == 2
    assert inspection.splits["train"].images == 10
    counts = require_snapshot(inspection).counts()
    assert (counts["train"].images, counts["valid"].images) == (8, 2)
    assert require_snapshot(inspection).held_out == 2
    assert findings_of(inspection)["no-test-split"].severity == "info"


def test_cases_a10_background_images_are_counted(tmp_path):
    export = write_export(tmp_path / "x")
    write_split(export / "train", document(["a.jpg", "b.jpg", "c.jpg"], [(0, 1, BOX)]))
    for path in export.glob("train/*.rf.*"):
        path.unlink()
    inspection = inspect_export(export, tmp_path)
    assert inspection.splits["train"].model_dump() == {"images": 3, "boxes": 1, "background": 2, "sources": 3}
    assert require_snapshot(inspection).counts()["train"] == inspection.splits["train"]


def test_cases_a11_one_name_in_two_splits_does_not_collide(tmp_path):
    for split in ("train", "valid"):
        write_split(tmp_path / "x" / split, document(["cat.jpg"], [(0, 1, BOX)]))
    snapshot = require_snapshot(inspect_export(tmp_path / "x", tmp_path))
    assert len({image.sha256 for image in snapshot.images}) == 2


def test_cases_a13_an_image_stays_when_its_boxes_are_dropped(tmp_path):
    boxes = [
        [-5, -5, 20, 20],
        [90, 90, 30, 30],
        [10, 10, 0, 20],
        [10, 10, -3, 5],
        [200, 200, 5, 5],
        [float("nan"), 1, 2, 3],
    ]
    export = write_export(tmp_path / "x")
    write_split(export / "train", document(["a.jpg", *numbered("train", 4)], [(0, 1, box) for box in boxes]))
    inspection = inspect_export(export, tmp_path)
    assert (inspection.listed["train"].boxes, inspection.splits["train"].boxes) == (6, 2)
    [image] = [image for image in require_snapshot(inspection).images if image.file_name == "a.jpg"]
    assert [box[1:] for box in image.boxes] == [(0, 0, 15, 15), (90, 90, 100, 100)]
    assert (findings_of(inspection)["box-clipped"].count, findings_of(inspection)["box-dropped"].count) == (2, 4)


def inspection_with(tmp_path, name, data, **listed):
    """The inspection of a sound export with one more image, listed and labelled in train."""
    export = write_export(tmp_path / "x")
    names = numbered("train", 4)
    entry = {"id": 9, "file_name": name, "width": 100, "height": 100, **listed}
    entries = [{"id": i, "file_name": n, "width": 100, "height": 100} for i, n in enumerate(names)]
    images = {n: image_bytes(("train", n)) for n in names} | ({name: data} if data is not None else {})
    write_split(export / "train", document([*entries, entry], [(0, 1, BOX), (1, 2, BOX), (9, 1, BOX)]), images)
    return inspect_export(export, tmp_path)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"), ("WEBP", "RGB"), ("PNG", "1")],
)
def test_cases_a14_images_of_all_modes_are_read(tmp_path, kind, mode):
    file = io.BytesIO()
    image = Image.new("I;16", (100, 100), 4000) if mode == "I;16" else Image.new("RGB", (100, 100)).convert(mode)
    image.save(file, kind)
    inspection = inspection_with(tmp_path, "odd.jpg", file.getvalue())
    assert require_snapshot(inspection).counts()["train"].images == 5
    assert not findings_of(inspection).keys() & {"image-unreadable"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (image_bytes(1)[: len(image_bytes(1)) // 2], "truncated"),
        (b"", "not an image"),
        (b"<html>403 Forbidden</html>", "not an image"),
        (image_bytes(1, kind="PPM"), "PPM is not read; use JPEG or PNG"),
    ],
)
def test_cases_a14_unreadable_images_are_errors_and_named(tmp_path, data, reason):
    inspection = inspection_with(tmp_path, "bad.jpg", data)
    [example] = findings_of(inspection)["image-unreadable"].examples
    assert example.startswith("train/bad.jpg: ")
    assert reason in example
    assert (inspection.listed["train"].images, inspection.splits["train"].images) == (5, 4)
    with pytest.raises(BadExport, match=r"cannot be decoded whole: 1.*train/bad.jpg"):
        require_snapshot(inspection)


@pytest.mark.parametrize("kind", ["GIF", "AVIF", "JPEG2000"])
def test_cases_a14_rare_formats_are_read_and_counted(tmp_path, kind):
    inspection = inspection_with(tmp_path, "rare.jpg", image_bytes(1, kind=kind))
    assert findings_of(inspection)["unusual-format"].examples == (f"train/rare.jpg: {kind}",)
    assert findings_of(inspection)["suffix-differs"].examples == (f"train/rare.jpg: {kind}",)
    assert require_snapshot(inspection).counts()["train"].images == 5


def test_missing_and_unlisted_images_are_named(tmp_path):
    inspection = inspection_with(tmp_path, "gone.jpg", None)
    assert findings_of(inspection)["image-missing"].examples == ("train/gone.jpg",)
    assert inspection.snapshot is None
    (tmp_path / "x" / "valid" / "extra.png").write_bytes(image_bytes(5))
    assert findings_of(inspect_export(tmp_path / "x", tmp_path))["image-unlisted"].examples == ("valid/extra.png",)


def test_images_may_lie_in_folders_of_a_split(tmp_path):
    inspection = inspection_with(tmp_path, "images/deep.jpg", image_bytes(5))
    assert require_snapshot(inspection).counts()["train"].images == 5
    assert "image-unlisted" not in findings_of(inspection)


def write_files(folder, **contents):
    """Write files; ``__`` in a name stands for a slash."""
    for name, data in contents.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


@pytest.mark.parametrize(
    ("contents", "match"),
    [
        ({}, "empty; name an export, its folder or zip, as one of: COCO JSON"),
        ({"note.txt": b"x"}, "no labels in it; export it as one of: COCO JSON, "),
        ({"data.yaml": b"x", "train__labels__a.txt": b""}, "data.yaml: has no list of class names"),
        ({"train__labels__a.txt": b""}, "no data.yaml, so class ids have no names"),
        ({"train__a.tfrecord": b"x"}, "looks like TFRecord"),
        ({"train___annotations.createml.json": b"x"}, "looks like CreateML"),
        ({"train___annotations.coco.json": b'{"images": ['}, "x: train/_annotations.coco.json: not JSON"),
        ({"train___annotations.coco.json": b"\xff\xfe"}, "not JSON"),
        ({"train___annotations.coco.json": b"[" * 100_000}, "not JSON"),
        ({"train___annotations.coco.json": b"[]"}, "not a JSON object but list"),
        (
            {"train___annotations.coco.json": b"{}", "valid__a.jpg": b"x"},
            "valid/ has images but no labels; export it",
        ),
        (
            {"val___annotations.coco.json": b"{}", "valid___annotations.coco.json": b"{}"},
            "has both val/ and valid/, two folders of the valid split",
        ),
    ],
)
def test_a_folder_that_is_not_an_export_is_refused_in_one_line(tmp_path, contents, match):
    (tmp_path / "x").mkdir()
    write_files(tmp_path / "x", **contents)
    with pytest.raises(BadExport, match=match) as caught:
        inspect_export(tmp_path / "x", tmp_path / "scratch")
    assert "\n" not in str(caught.value)


def test_a_missing_path_is_refused(tmp_path):
    with pytest.raises(BadExport, match=r"nowhere: not there; name an export, its folder or zip"):
        inspect_export(tmp_path / "nowhere", tmp_path)


def test_a_file_that_is_not_a_zip_is_refused(tmp_path):
    (tmp_path / "x.zip").write_bytes(b"no")
    with pytest.raises(BadExport, match=r"x.zip: not a zip"):
        inspect_export(tmp_path / "x.zip", tmp_path / "scratch")


def test_evaluation_numbers_on_real_labels_are_pycocotools(inspected):
    """For all sound exports, with shifted detections, false negatives and false positives."""
    measured = 0
    for name in SOUND:
        snapshot = inspected(name).snapshot
        for split in SPLITS if snapshot else ():
            ground_truth = coco_ground_truth(snapshot.of_split(split), snapshot.classes)
            if not ground_truth["annotations"]:
                continue
            detections = shifted_detections(np.random.default_rng(len(name)), ground_truth)
            scores, expected = score(ground_truth, detections), pycocotools_evaluation(ground_truth, detections).stats
            precisions = [scores.map, scores.map50, scores.map75, scores.map_small, scores.map_medium, scores.map_large]
            assert [-1 if value is None else value for value in precisions] == pytest.approx(expected[:6], abs=1e-12)
            assert scores.ar == pytest.approx(expected[8], abs=1e-12)
            measured += 1
    assert measured > 20


def shifted_detections(dice, ground_truth):
    """Detections near the ground truth, with false negatives and false positives."""
    detections = []
    for box in ground_truth["annotations"]:
        for _ in range(dice.integers(0, 3)):
            x, y, width, height = np.array(box["bbox"]) + dice.normal(0, 0.05, 4) * max(box["bbox"][2:])
            label = (
                box["category_id"]
                if dice.random() < 0.9
                else int(dice.integers(1, len(ground_truth["categories"]) + 1))
            )
            bbox = [float(x), float(y), max(1.0, float(width)), max(1.0, float(height))]
            detections.append(
                {"image_id": box["image_id"], "category_id": label, "bbox": bbox, "score": float(dice.random())}
            )
    return detections
