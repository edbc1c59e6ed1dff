"""Boxes whose numbers mean something else than their format says, sizes of labels, and masks: each as it comes out."""

import json

import pytest

from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.records import RetrainRequest
from tests.fakes.exports import image_bytes
from tests.fakes.formats import FORMATS, HEIGHT, SPLITS, WIDTH, write_in
from tests.fakes.tool_exports import TEST, coco_document, write_coco

BOXES = {f"{number}.jpg": [("cat", 40 + number, 30 + number, 80 + number, 65 + number)] for number in range(10)}
"""Boxes right of the middle: their corners, taken as sides, reach over the edge."""


def findings_of(inspection):
    """Findings by code."""
    return {finding.code: finding for finding in inspection.findings}


def errors_of(inspection):
    """Codes of the errors."""
    return {finding.code for finding in inspection.findings if finding.severity == "error"}


def write_coco_with(folder, change):
    """COCO of ten images, each annotation changed."""
    write_coco(folder, {"train": "train/labels.json"}, {"train": "train"}, {"train": BOXES})
    document = coco_document(BOXES)
    for annotation in document["annotations"]:
        change(annotation)
    (folder / "train" / "labels.json").write_text(json.dumps(document))
    return folder


@pytest.mark.parametrize("kind", FORMATS)
def test_cases_numbers_that_mean_what_the_format_says_are_no_error(tmp_path, kind):
    inspection = inspect_export(write_in(kind, tmp_path / "export", {"train": BOXES}, ("cat",)), tmp_path / "scratch")
    assert not errors_of(inspection)


@pytest.mark.parametrize("kind", ["yolo", "darknet"])
def test_cases_numbers_corners_as_centres_of_yolo(tmp_path, kind):
    path = write_in(kind, tmp_path / "export", {"train": BOXES}, ("cat",))
    for file in path.rglob("train/**/*.txt"):
        [(_, *corners)] = BOXES[f"{file.stem}.jpg"]
        fractions = [value / side for value, side in zip(corners, (WIDTH, HEIGHT) * 2, strict=True)]
        file.write_text(f"0 {' '.join(map(str, fractions))}\n")
    inspection = inspect_export(path, tmp_path / "scratch")
    [example] = findings_of(inspection)["boxes-mean-something-else"].examples
    assert example == f"they look like corners x1 y1 x2 y2, {kind} has centre, width and height"
    assert inspection.snapshot is None


@pytest.mark.parametrize("with_area", [True, False])
def test_cases_numbers_corners_as_sides_of_coco(tmp_path, with_area):
    def change(annotation):
        x, y, width, height = annotation["bbox"]
        annotation["bbox"] = [x, y, x + width, y + height]
        if not with_area:
            del annotation["area"]

    inspection = inspect_export(write_coco_with(tmp_path / "export", change), tmp_path / "scratch")
    assert errors_of(inspection) == {"boxes-mean-something-else"} | ({"boxes-contradict-area"} if with_area else set())


def test_cases_numbers_sides_as_corners_of_voc(tmp_path):
    path = write_in("voc", tmp_path / "export", {"train": BOXES}, ("cat",))
    for file in path.rglob("*.xml"):
        [(_, x1, y1, x2, y2)] = BOXES[f"{file.stem}.jpg"]
        text = file.read_text().replace(f"<xmax>{x2 + 1}<", f"<xmax>{x2 - x1}<")
        file.write_text(text.replace(f"<ymax>{y2 + 1}<", f"<ymax>{y2 - y1}<"))
    inspection = inspect_export(path, tmp_path / "scratch")
    [example] = findings_of(inspection)["boxes-mean-something-else"].examples
    assert example == "they look like left, top, width and height, voc has corners x1 y1 x2 y2"


def test_cases_numbers_fractions_as_pixels_of_coco(tmp_path):
    def change(annotation):
        x, y, width, height = annotation["bbox"]
        annotation["bbox"] = [x / WIDTH, y / HEIGHT, width / WIDTH, height / HEIGHT]

    inspection = inspect_export(write_coco_with(tmp_path / "export", change), tmp_path / "scratch")
    assert findings_of(inspection)["boxes-in-fractions"].count == 10


def test_cases_numbers_a_dictionary_as_box_of_coco(tmp_path):
    def change(annotation):
        annotation["bbox"] = dict(zip(("x", "y", "width", "height"), annotation["bbox"], strict=True))

    inspection = inspect_export(write_coco_with(tmp_path / "export", change), tmp_path / "scratch")
    assert findings_of(inspection)["box-not-a-list"].examples[0] == "train/0.jpg: x, y, width, height"


# Sizes --------------------------------------------------------------------------------------------


def write_resized(folder, width, height):
    """COCO of 100 x 80 pixels with files of another size."""
    write_coco(folder, {"train": "train/labels.json"}, {"train": "train"}, {"train": BOXES})
    for name in BOXES:
        (folder / "train" / name).write_bytes(image_bytes(name, width, height))
    return folder


@pytest.mark.parametrize(("width", "height", "factor"), [(50, 40, 0.5), (200, 160, 2), (33, 26, 0.33)])
def test_cases_sizes_of_the_same_ratio_scale_the_boxes(tmp_path, width, height, factor):
    inspection = inspect_export(write_resized(tmp_path / "export", width, height), tmp_path / "scratch")
    assert findings_of(inspection)["size-scaled"].count == 10
    [box] = next(image.boxes for image in inspection.images if image.file_name == "0.jpg")
    assert box[1:] == pytest.approx([factor * corner for corner in (40, 30, 80, 65)], abs=1)
    assert not errors_of(inspection)


@pytest.mark.parametrize(("width", "height"), [(80, 100), (100, 100), (50, 80)])
def test_cases_sizes_of_another_ratio_are_an_error(tmp_path, width, height):
    inspection = inspect_export(write_resized(tmp_path / "export", width, height), tmp_path / "scratch")
    assert findings_of(inspection)["size-other-ratio"].count == 10
    assert inspection.snapshot is None


# Masks --------------------------------------------------------------------------------------------

RLE = {"counts": [0, WIDTH * HEIGHT], "size": [HEIGHT, WIDTH]}
POLYGON = [[1.0, 1.0, 9.0, 1.0, 9.0, 9.0]]


def masks_of(tmp_path, segmentations, **values):
    """Findings and number of boxes of COCO whose annotations have these segmentations in turn."""
    path = write_coco(tmp_path / "export", {"train": "train/labels.json"}, {"train": "train"}, {"train": BOXES})
    document = coco_document(BOXES, **values)
    for number, annotation in enumerate(document["annotations"]):
        annotation["segmentation"] = segmentations[number % len(segmentations)]
        annotation["iscrowd"] = int(annotation["segmentation"] is RLE)
    (path / "train" / "labels.json").write_text(json.dumps(document))
    inspection = inspect_export(path, tmp_path / "scratch")
    return findings_of(inspection), inspection.splits["train"].boxes


@pytest.mark.parametrize("segmentations", [[RLE], [RLE, []]])
def test_cases_masks_of_a_brush_are_objects(tmp_path, segmentations):
    findings, boxes = masks_of(tmp_path, segmentations)
    assert boxes == 10
    assert findings["box-of-mask"].count == 10 // len(segmentations)
    assert "crowd-dropped" not in findings


def test_cases_masks_of_cvat_are_objects_beside_polygons(tmp_path):
    findings, boxes = masks_of(tmp_path, [RLE, POLYGON], attributes={"occluded": False})
    assert (boxes, findings["box-of-mask"].count) == (10, 5)


def test_cases_masks_of_crowds_beside_polygons_are_ignored(tmp_path):
    """As COCO itself has them."""
    findings, boxes = masks_of(tmp_path, [RLE, POLYGON])
    assert (boxes, findings["crowd-dropped"].count) == (5, 5)
    assert "box-of-mask" not in findings


def test_cases_masks_the_sound_exports_have_none(tmp_path):
    paths = {split: f"{split}/labels.json" for split in TEST}
    inspection = inspect_export(write_coco(tmp_path / "x", paths, {split: split for split in TEST}), tmp_path / "s")
    assert require_snapshot(inspection).counts()["train"].boxes == sum(map(len, SPLITS["train"].values()))
    assert not findings_of(inspection).keys() & {"box-of-mask", "crowd-dropped", "size-scaled"}


@pytest.mark.parametrize(("size", "count"), [(64, 2), (640, 0)])
def test_cases_boxes_are_checked_at_the_input_size_that_a_request_has(tmp_path, size, count):
    """Boxes of 6 x 20 pixels in images of 100 x 80: 3.8 pixels wide at 64, 38 at 640."""
    labels = {f"{number}.jpg": [("cat", 40, 30, 46, 50)] for number in range(2)}
    export = write_in("coco", tmp_path / "export", {"train": labels}, ("cat",))
    rules = RetrainRequest(project="cats", image_size=size).rules
    findings = findings_of(inspect_export(export, tmp_path / "scratch", rules=rules))
    assert (findings["box-tiny-for-network"].count if count else 0) == count
    assert ("box-tiny-for-network" in findings) == bool(count)
