"""COCO documents, boxes and snapshots: classes, and findings about faulty annotations. No files."""

import hashlib
import json

import numpy as np
import pycocotools.mask
import pytest

from tasks.errors import BadExport
from tasks.images.source_names import source_name
from tasks.labeling.annotations import AnnotatedBox
from tasks.labeling.checks.boxes import clip_boxes, one_of_nearly_equal
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.coco import parse_documents
from tasks.labeling.snapshot import make_snapshot
from tasks.records import Box, LabelledImage, LabelSource
from tasks.records.base import SPLITS, Split
from tests.fakes.exports import document, numbered

BOX = (10, 10, 20, 20)
NAN = float("nan")


def category(number, name, parent="none"):
    return {"id": number, "name": name, "supercategory": parent}


def classes_of(**documents):
    by_split: dict[Split, object] = {split: documents[split] for split in SPLITS if split in documents}
    return parse_documents(by_split, FindingCounter()).classes


def counts(findings):
    """Number of findings by code."""
    return {finding.code: finding.count for finding in findings.summary()}


# Classes ------------------------------------------------------------------------------------------


def test_cases_a1_the_root_category_of_roboflow_is_not_a_class():
    categories = [category(0, "fruit"), category(1, "apple", "fruit"), category(2, "pear", "fruit")]
    findings = FindingCounter()
    annotations = parse_documents(
        {"train": document(["a.jpg", "b.jpg"], [(0, 1, BOX), (1, 2, BOX)], categories)}, findings
    )
    assert annotations.classes == ("apple", "pear")
    assert [box.class_index for image in annotations.images for box in image.boxes] == [0, 1]
    [finding] = findings.summary()
    assert (finding.code, finding.severity, finding.examples) == ("root-category", "info", ("fruit",))


def test_cases_a2_a_single_category_at_id_0_is_kept():
    assert classes_of(train=document(["a.jpg"], [(0, 0, BOX)], [category(0, "car")])) == ("car",)


def test_cases_a2_a_category_that_is_its_own_parent_is_kept():
    assert classes_of(train=document(["a.jpg"], [(0, 1, BOX)], [category(1, "person", "person")])) == ("person",)


@pytest.mark.parametrize("owner", ["train", "valid", "test"])
def test_cases_a2_a_parent_with_one_box_anywhere_is_kept_everywhere(owner):
    splits = {split: document(["a.jpg"], [(0, 1, BOX)]) for split in ("train", "valid", "test")}
    splits[owner] = document(["a.jpg"], [(0, 0, BOX)])
    assert classes_of(**splits) == ("animals", "cat", "dog")


def test_cases_a2_gaps_between_ids_are_closed():
    categories = [category(90, "c"), category(3, "a"), category(7, "b")]
    annotations = parse_documents(
        {"train": document(["a.jpg"], [(0, 90, BOX), (0, 3, BOX), (0, 7, BOX)], categories)}, FindingCounter()
    )
    assert annotations.classes == ("a", "b", "c")
    assert [box.class_index for box in annotations.images[0].boxes] == [2, 0, 1]


def test_cases_a1_a_parent_named_only_in_another_split_is_a_root_category():
    train = document(["a.jpg"], [], [category(0, "fruit")])
    valid = document(["b.jpg"], [], [category(1, "apple", "fruit")])
    assert classes_of(train=train, valid=valid) == ("apple",)


def test_cases_a2_the_last_class_is_never_dropped():
    circle = [category(0, "a", "b"), category(1, "b", "a")]
    assert classes_of(train=document(["a.jpg"], [], circle)) == ("a", "b")


def test_cases_a1_classes_are_joined_by_name_train_first():
    train = document(["a.jpg"], [(0, 1, BOX)], [category(1, "dog"), category(2, "cat")])
    valid = document(["b.jpg"], [(0, 1, BOX)], [category(0, "ant"), category(1, "cat"), category(2, "dog")])
    annotations = parse_documents({"valid": valid, "train": train}, FindingCounter())
    assert annotations.classes == ("dog", "cat", "ant")
    assert [box.class_index for image in annotations.images for box in image.boxes] == [0, 1]


def test_class_names_that_look_like_ids_stay_names():
    categories = [category(0, "digits"), *(category(i + 1, str(i), "digits") for i in range(10))]
    annotations = parse_documents({"train": document(["a.jpg"], [(0, 1, BOX)], categories)}, FindingCounter())
    assert annotations.classes == tuple("0123456789")
    assert annotations.images[0].boxes[0].class_index == 0


def test_a_category_name_with_two_ids_is_one_class():
    findings = FindingCounter()
    annotations = parse_documents(
        {"train": document(["a.jpg"], [(0, 2, BOX)], [category(1, "cat"), category(2, "cat")])}, findings
    )
    assert annotations.classes == ("cat",)
    assert counts(findings) == {"class-name-twice": 1}


# Annotations --------------------------------------------------------------------------------------


def test_cases_a10_images_without_boxes_are_kept():
    annotations = parse_documents({"train": document(["a.jpg", "b.jpg", "c.jpg"], [(1, 1, BOX)])}, FindingCounter())
    assert [len(image.boxes) for image in annotations.images] == [0, 1, 0]


@pytest.mark.parametrize(
    ("annotation", "code"),
    [((7, 1, BOX), "unknown-image-id"), ((0, 9, BOX), "unknown-category-id")],
)
def test_cases_b5_unknown_image_and_category_ids_are_errors(annotation, code):
    findings = FindingCounter()
    parse_documents({"train": document(["a.jpg"], [annotation])}, findings)
    assert findings.has_errors
    assert code in counts(findings)


def test_the_bounding_box_of_a_polygon_replaces_a_missing_bbox():
    findings = FindingCounter()
    polygon = {"image_id": 0, "category_id": 1, "segmentation": [[10, 10, 50, 12], [30, 60, 12, 20]]}
    annotations = parse_documents({"train": document(["a.jpg"], [polygon])}, findings)
    assert annotations.images[0].boxes == (AnnotatedBox(0, 10, 10, 40, 50),)
    assert counts(findings)["box-from-polygon"] == 1


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"bbox": [1, 2]},
        {"bbox": ["x"] * 4},
        {"bbox": [10**400, 1, 2, 3]},
        {"segmentation": {"counts": "abc"}},
        {"segmentation": {"counts": "abc!", "size": [80, 100]}},
        {"segmentation": {"counts": [5, -1], "size": [80, 100]}},
        {"segmentation": {"counts": [5, 9000], "size": [80, 100]}},
        {"segmentation": {"counts": [8000], "size": [80, 100]}},
        {"segmentation": [[10**400, 1, 2, 3, 4, 5]]},
    ],
)
def test_an_annotation_without_a_box_or_polygon_is_dropped_and_counted(shape):
    findings = FindingCounter()
    annotations = parse_documents(
        {"train": document(["a.jpg"], [{"image_id": 0, "category_id": 1, **shape}])}, findings
    )
    assert clip_boxes(annotations.images[0].boxes, 100, 100, "train/a.jpg", findings) == ()
    assert counts(findings)["box-dropped"] == 1


@pytest.mark.parametrize("compressed", [False, True])
def test_cases_the_bounding_box_of_a_mask_replaces_a_missing_bbox(compressed):
    """An object 50 pixels wide and 30 high at (20, 10) in 100 x 80; runs go down the columns, the first is empty."""
    runs = [20 * 80 + 10, *[30, 50] * 49, 30, 40 + 30 * 80]
    pixels = np.zeros((80, 100), np.uint8, order="F")
    pixels[10:40, 20:70] = 1
    counts_of_mask = pycocotools.mask.encode(pixels)["counts"].decode() if compressed else runs
    annotation = {"image_id": 0, "category_id": 1, "segmentation": {"counts": counts_of_mask, "size": [80, 100]}}
    findings = FindingCounter()
    annotations = parse_documents({"train": document(["a.jpg"], [annotation])}, findings)
    assert annotations.images[0].boxes == ((0, 20, 10, 50, 30),)
    assert counts(findings)["box-from-polygon"] == 1


@pytest.mark.parametrize("place", range(6))
def test_a_polygon_with_a_nan_has_no_bounding_box(place):
    """Wherever it is: minimum and maximum pass over a NaN that does not come first."""
    points = [10.0, 10, 50, 12, 30, 60]
    points[place] = NAN
    polygon = {"image_id": 0, "category_id": 1, "segmentation": [points]}
    findings = FindingCounter()
    annotations = parse_documents({"train": document(["a.jpg"], [polygon])}, findings)
    assert clip_boxes(annotations.images[0].boxes, 100, 100, "train/a.jpg", findings) == ()
    assert counts(findings)["box-dropped"] == 1


def test_crowds_are_dropped_and_counted():
    findings = FindingCounter()
    crowd = {"image_id": 0, "category_id": 1, "bbox": BOX, "iscrowd": 1}
    assert parse_documents({"train": document(["a.jpg"], [crowd])}, findings).images[0].boxes == ()
    assert counts(findings)["crowd-dropped"] == 1


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "x/../../a.jpg", "..\\a.jpg"])
def test_a_file_name_that_leads_out_is_an_error(name):
    findings = FindingCounter()
    assert parse_documents({"train": document([name])}, findings).images == ()
    assert counts(findings)["bad-file-name"] == 1


def test_cases_f11_two_entries_of_one_image_are_one_image_with_the_boxes_of_both_annotators():
    """The first two boxes are one object, 2 pixels apart; the dog is a cat to nobody."""
    images = [
        {"id": number, "file_name": "a.jpg", "width": size, "height": size} for number, size in ((2, None), (3, 100))
    ]
    boxes = [(2, 1, [10, 10, 40, 30]), (2, 1, [60, 60, 20, 20]), (3, 1, [12, 11, 40, 30]), (3, 2, [60, 60, 20, 20])]
    findings = FindingCounter()
    [image] = parse_documents({"train": document(images, boxes)}, findings).images
    assert (image.width, image.height) == (100, 100)
    assert [tuple(box) for box in image.boxes] == [(0, 10, 10, 40, 30), (0, 60, 60, 20, 20), (1, 60, 60, 20, 20)]
    counted = {"image-listed-twice": 1, "box-of-two-annotators": 1, "annotators-disagree": 2, "root-category": 1}
    assert counts(findings) == counted
    [finding] = [finding for finding in findings.summary() if finding.code == "annotators-disagree"]
    assert finding.examples == ("train/a.jpg: 2 of 3 boxes",)


@pytest.mark.parametrize(
    ("other", "count"),
    [((0, 11, 11, 40, 40), 1), ((1, 11, 11, 40, 40), 0), ((0, 30, 30, 40, 40), 0), ((0, 9, 10, 40, 40), 1)],
)
def test_cases_boxes_of_one_class_that_nearly_cover_each_other_are_found(other, count):
    boxes = (AnnotatedBox(0, 10, 10, 40, 40), AnnotatedBox(0, 70, 70, 20, 20), AnnotatedBox(*other))
    clipped = clip_boxes(boxes, 100, 100, "train/a.jpg", FindingCounter())
    assert len(clipped) == 3
    remaining = one_of_nearly_equal(clipped)
    assert len(remaining) == 3 - count
    assert set(remaining) <= set(clipped)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ([], "not a JSON object but list"),
        ({}, "no list of objects named categories"),
        ({"categories": []}, "no list of objects named images"),
        ({"categories": [], "images": [], "annotations": []}, "no categories"),
        ({"categories": [{"id": 1}], "images": [], "annotations": []}, r"categories\[0\]: name is None"),
        ({"categories": [{"id": "x", "name": "a"}], "images": [], "annotations": []}, "id is 'x', not a whole"),
        (document([{"id": 0}]), r"images\[0\]: file_name is None"),
        (document([{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}]), "two images have the id 1"),
        (document([], [], [category(1, "a"), category(1, "b")]), "two categories have the id 1"),
        (document(["a.jpg"], [{"category_id": 1}]), r"annotations\[0\]: image_id is None"),
    ],
)
def test_a_document_that_is_not_coco_is_refused_with_place_and_reason(content, match):
    with pytest.raises(BadExport, match=match) as caught:
        parse_documents({"train": content}, FindingCounter())
    assert "\n" not in str(caught.value)


# Boxes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("box", "expected", "code"),
    [
        ((10, 10, 20, 20), (10, 10, 30, 30), None),
        ((-5, -5, 20, 20), (0, 0, 15, 15), "box-clipped"),
        ((90, 90, 30, 30), (90, 90, 100, 100), "box-clipped"),
        ((-0.002, 0, 100.5, 90), (0, 0, 100, 90), "box-rounded"),
        ((0, 0, 101, 90), (0, 0, 100, 90), "box-rounded"),
        ((0, 0, 101.01, 90), (0, 0, 100, 90), "box-clipped"),
        ((70.1, 0, 29.9, 5), (70.1, 0, 100, 5), None),
        ((10, 10, 0, 20), None, "box-dropped"),
        ((10, 10, -3, 5), None, "box-dropped"),
        ((200, 200, 5, 5), None, "box-dropped"),
        ((99.5, 10, 20, 20), None, "box-dropped"),
        ((NAN, 1, 2, 3), None, "box-dropped"),
        ((1, 1, float("inf"), 3), None, "box-dropped"),
        ((1.23456, 2, 3, 4), (1.235, 2, 4.235, 6), None),
    ],
)
def test_cases_a13_boxes_are_clipped_to_the_image_or_dropped(box, expected, code):
    findings = FindingCounter()
    clipped = clip_boxes((AnnotatedBox(1, *map(float, box)),), 100, 100, "train/a.jpg", findings)
    assert clipped == ((Box(1, *expected),) if expected else ())
    assert counts(findings) == ({code: 1} if code else {})


def test_clipped_boxes_have_no_negative_zero():
    [box] = clip_boxes((AnnotatedBox(0, -0.0, -0.0001, 5.0, 5.0),), 10, 10, "", FindingCounter())
    assert "-" not in json.dumps(box)


def test_findings_keep_a_few_examples_and_count_all():
    findings = FindingCounter()
    clip_boxes((AnnotatedBox(0, 0, 0, 0, 0),) * 20, 10, 10, "train/a.jpg", findings)
    [finding] = findings.summary()
    assert (finding.count, len(finding.examples)) == (20, 5)
    assert finding.examples[0] == "train/a.jpg: [0, 0, 0, 0]"


# Splits -------------------------------------------------------------------------------------------


def image(name, split="train", digest=None, boxes=1):
    sha256 = hashlib.sha256(f"{split}{name}".encode()).hexdigest() if digest is None else digest * 64
    box = (Box(0, 0, 0, 5, 5),) * boxes
    return LabelledImage(file_name=name, split=split, sha256=sha256, size=9, width=10, height=10, boxes=box)


def snapshot_of(*images, classes=("cat",)):
    findings = FindingCounter()
    hashes, source = dict.fromkeys((one.sha256 for one in images), 0), LabelSource(kind="file", name="x")
    return make_snapshot(classes, images, hashes, source, findings), counts(findings)


def test_cases_a9_a_fifth_of_the_sources_is_split_off_always_the_same():
    images = [image(name) for name in numbered("a", 20)]
    snapshot, finding_counts = snapshot_of(*images)
    from_other_order, _ = snapshot_of(*reversed(images))
    assert {split: count.images for split, count in snapshot.counts().items()} == {"train": 16, "valid": 4}
    assert finding_counts["no-valid-split"] == 4
    assert snapshot.digest == from_other_order.digest


def test_augmented_copies_and_identical_images_are_split_off_together():
    copies = [image(f"{name}.rf.{i:032x}.jpg") for name in "abcdef" for i in range(3)]
    twins = [image(f"{name}.rf.{0:032x}.jpg", digest="a") for name in ("x", "y", "z")]
    snapshot, finding_counts = snapshot_of(*copies, *twins)
    sides = [{i.split for i in snapshot.images if source_name(i.file_name) == name} for name in "abcdef"]
    assert all(len(side) == 1 for side in sides)
    assert len({i.split for i in snapshot.images if source_name(i.file_name) in "xyz"}) == 1
    assert not {"leak-source", "leak-identical"} & finding_counts.keys()


@pytest.mark.parametrize("labelled", [2, 3, 9])
def test_train_and_the_split_off_validation_split_both_have_boxes(labelled):
    snapshot, _ = snapshot_of(*[image(name, boxes=at < labelled) for at, name in enumerate(numbered("a", 12))])
    assert all(snapshot.counts()[split].boxes for split in ("train", "valid"))


def test_cases_b8_a_valid_split_without_boxes_gets_images_of_train():
    snapshot, finding_counts = snapshot_of(*map(image, numbered("a", 5)), image("v.jpg", "valid", boxes=0))
    assert snapshot.counts()["valid"].images == 2
    assert finding_counts["no-valid-split"] == 1


@pytest.mark.parametrize(
    ("images", "code"),
    [
        ([image("a.jpg")], "too-small-to-split"),
        ([image("a.jpg"), image("b.jpg", boxes=0)], "too-small-to-split"),
        ([image("a.rf.1.jpg"), image("a.rf.2.jpg")], "too-small-to-split"),
        ([image("a.jpg", "valid")], "no-train-split"),
        ([image("a.jpg", boxes=0), image("b.jpg", "valid")], "no-train-boxes"),
        ([], "no-train-split"),
    ],
)
def test_labels_that_cannot_be_trained_on_have_no_snapshot(images, code):
    snapshot, finding_counts = snapshot_of(*images)
    assert snapshot is None
    assert code in finding_counts


def test_cases_a11_leaks_are_counted():
    _, finding_counts = snapshot_of(
        image("cat_jpg.rf.aaa.jpg"),
        image("cat_jpg.rf.bbb.jpg", "valid"),
        image("one.jpg", digest="1"),
        image("other.jpg", "valid", digest="1"),
        image("0001.jpg"),
        image("0001.jpg", "valid"),
        image("twin.jpg", digest="2"),
        image("twin2.jpg", digest="2"),
    )
    assert {code: finding_counts.get(code) for code in ("leak-source", "leak-identical", "duplicate-images")} == {
        "leak-source": 1,
        "leak-identical": 1,
        "duplicate-images": 1,
    }


def test_classes_that_cannot_be_learned_or_measured_are_named():
    train = image("a.jpg").model_copy(update={"boxes": (Box(0, 0, 0, 5, 5), Box(1, 0, 0, 5, 5))})
    valid = image("b.jpg", "valid").model_copy(update={"boxes": (Box(0, 0, 0, 5, 5), Box(2, 0, 0, 5, 5))})
    snapshot, finding_counts = snapshot_of(train, valid, classes=("both", "train only", "valid only", "never"))
    assert [finding_counts[code] for code in ("class-unused", "class-not-in-train", "class-not-in-every-split")] == [
        1,
        1,
        1,
    ]
    assert snapshot.classes == ("both", "train only", "valid only", "never")
