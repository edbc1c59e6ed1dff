"""Images that EXIF data ask to turn: they are turned once, and what their boxes mean is found out, or asked."""

import io
import json

import pytest
from PIL import Image

from tasks.errors import BadExport
from tasks.images.orientation import EXIF_ORIENTATION
from tasks.labeling.inspection import inspect_export, require_snapshot
from tasks.records import LabelRules

STORED = (200, 100)


def turned_jpeg(number, orientation=6, size=STORED):
    exif, file = Image.Exif(), io.BytesIO()
    exif[EXIF_ORIENTATION] = orientation
    Image.new("RGB", size, (number * 9 % 256, 80, 120)).save(file, "JPEG", exif=exif)
    return file.getvalue()


def write_coco(folder, boxes, stated=STORED, orientation=6, images=12):
    """An export of images that a phone stored lying, one box each, in one split."""
    folder = folder / "export" / "train"
    folder.mkdir(parents=True)
    names = [f"phone{number}.jpg" for number in range(images)]
    for number, name in enumerate(names):
        (folder / name).write_bytes(turned_jpeg(number, orientation))
    document = {
        "categories": [{"id": 1, "name": "cat", "supercategory": ""}],
        "images": [
            {"id": at, "file_name": name, "width": stated and stated[0], "height": stated and stated[1]}
            for at, name in enumerate(names)
        ],
        "annotations": [
            {"id": at, "image_id": at % images, "category_id": 1, "bbox": list(box)} for at, box in enumerate(boxes)
        ],
    }
    (folder / "_annotations.coco.json").write_text(json.dumps(document))
    return folder.parent


def write_yolo(folder, row, orientation=6, images=4):
    root = folder / "export"
    for part in ("images", "labels"):
        (root / "train" / part).mkdir(parents=True)
    for number in range(images):
        (root / "train/images" / f"{number}.jpg").write_bytes(turned_jpeg(number, orientation))
        (root / "train/labels" / f"{number}.txt").write_text(row)
    (root / "data.yaml").write_text("names: [cat]\n")
    return root


def inspected(path, **rules):
    return inspect_export(path, path.parent / "scratch", rules=LabelRules(**rules))


def findings_of(inspection):
    return {finding.code: finding for finding in inspection.findings}


def only_box(inspection):
    """Size and box of the first image; all images are turned, and nothing is dropped."""
    image = min(inspection.images, key=lambda one: int("".join(filter(str.isdigit, one.file_name))))
    assert not findings_of(inspection).keys() & {"box-dropped", "box-clipped", "size-scaled", "size-other-ratio"}
    [box] = image.boxes
    return (image.width, image.height), tuple(box[1:])


def test_cases_f1_boxes_of_the_turned_image_with_the_size_of_the_stored_one(tmp_path):
    """As Label Studio writes them: the box fits the turned image alone."""
    inspection = inspected(write_coco(tmp_path, [(30, 120, 40, 60)] * 12))
    assert only_box(inspection) == ((100, 200), (30, 120, 70, 180))
    assert findings_of(inspection)["exif-boxes-turned"].count == 12
    assert require_snapshot(inspection).counts()["train"].boxes == 10  # two are held out


@pytest.mark.parametrize(
    ("box", "stated", "meaning", "expected"),
    [
        ((10, 10, 20, 30), (100, 200), "turned", (10, 10, 30, 40)),  # by the size
        ((10, 10, 20, 30), (200, 100), "stored", (60, 10, 90, 30)),
        ((130, 20, 40, 60), (200, 100), "stored", (20, 130, 80, 170)),  # by fit and size
        ((130, 20, 40, 60), (100, 200), "stored", (20, 130, 80, 170)),  # by fit, against the size
        ((130, 20, 40, 60), None, "stored", (20, 130, 80, 170)),  # by fit alone
        ((30, 120, 40, 60), None, "turned", (30, 120, 70, 180)),
        ((260, 40, 80, 120), (400, 200), "stored", (20, 130, 80, 170)),  # labelled at twice the size
        ((60, 240, 80, 120), (400, 200), "turned", (30, 120, 70, 180)),
    ],
)
def test_cases_f1_what_boxes_mean_is_seen_by_fit_then_by_size(tmp_path, box, stated, meaning, expected):
    inspection = inspected(write_coco(tmp_path, [box] * 12, stated))
    image = inspection.images[0]
    assert ((image.width, image.height), tuple(image.boxes[0][1:])) == ((100, 200), expected)
    assert findings_of(inspection)[f"exif-boxes-{meaning}"].count == 12


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(5, (20, 130, 80, 170)), (6, (20, 130, 80, 170)), (7, (20, 30, 80, 70)), (8, (20, 30, 80, 70))],
)
def test_cases_f1_boxes_turn_as_each_orientation_asks(tmp_path, orientation, expected):
    inspection = inspected(write_coco(tmp_path, [(130, 20, 40, 60)] * 12, orientation=orientation))
    assert only_box(inspection) == ((100, 200), expected)


@pytest.mark.parametrize("rule", ["turned", "stored"])
def test_cases_f1_images_that_contradict_each_other_are_an_error_until_somebody_says(tmp_path, rule):
    path = write_coco(tmp_path, [(130, 20, 40, 60), (30, 120, 40, 60)] * 6, None)
    with pytest.raises(BadExport, match=r"stored: 12; look at one, and say which with --orientation turned or"):
        require_snapshot(inspected(path))
    assert findings_of(inspected(path, orientation=rule))[f"exif-boxes-{rule}"].count == 12


@pytest.mark.parametrize(("rule", "expected"), [("turned", (10, 40, 30, 80)), ("stored", (60, 20, 80, 60))])
def test_cases_f1_fractions_fit_both_so_somebody_has_to_say(tmp_path, rule, expected):
    """A box with the centre at 0.2 and 0.3, a fifth as wide and high as its image of 100x200, or of 200x100 stored."""
    path = write_yolo(tmp_path, "0 0.2 0.3 0.2 0.2\n")
    assert findings_of(inspected(path))["exif-unclear"].count == 4
    inspection = inspected(path, orientation=rule)
    assert only_box(inspection) == ((100, 200), pytest.approx(expected))
    assert not findings_of(inspection).keys() & {
        "exif-unclear",
        f"exif-boxes-{'stored' if rule == 'turned' else 'turned'}",
    }


def test_cases_f1_an_image_that_stands_on_its_head_tells_nothing(tmp_path):
    path = write_coco(tmp_path, [(130, 20, 40, 60)] * 12, orientation=3)
    assert findings_of(inspected(path))["exif-unclear"].count == 12
    assert only_box(inspected(path, orientation="stored")) == ((200, 100), (30, 20, 70, 80))


def test_cases_f1_without_boxes_there_is_nothing_to_ask(tmp_path):
    inspection = inspected(write_coco(tmp_path, [], orientation=3))
    assert findings_of(inspection)["exif-boxes-turned"].count == 12
    assert "exif-unclear" not in findings_of(inspection)
