"""Reading COCO documents: classes, boxes, and what is said about faulty ones. No files."""

import hashlib
import json

import pytest

from tasks.errors import BadExport
from tasks.images.source_names import source_name
from tasks.labeling.checks.boxes import clip
from tasks.labeling.findings import Notes
from tasks.labeling.formats.coco import ListedBox, parse
from tasks.labeling.snapshot import make_snapshot
from tasks.records import Box, LabelledImage, LabelSource
from tests.fakes.exports import document, numbered

BOX = (10, 10, 20, 20)
NAN = float("nan")


def category(number, name, parent="none"):
    return {"id": number, "name": name, "supercategory": parent}


def classes_of(**documents):
    return parse(documents, Notes()).classes


def codes(notes):
    return {finding.code: finding.count for finding in notes.findings()}


# Classes ------------------------------------------------------------------------------------------


def test_cases_a1_roboflow_root_is_no_class():
    categories = [category(0, "fruit"), category(1, "apple", "fruit"), category(2, "pear", "fruit")]
    notes = Notes()
    labels = parse({"train": document(["a.jpg", "b.jpg"], [(0, 1, BOX), (1, 2, BOX)], categories)}, notes)
    assert labels.classes == ("apple", "pear")
    assert [box.class_index for image in labels.images for box in image.boxes] == [0, 1]
    [finding] = notes.findings()
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
    labels = parse({"train": document(["a.jpg"], [(0, 90, BOX), (0, 3, BOX), (0, 7, BOX)], categories)}, Notes())
    assert labels.classes == ("a", "b", "c")
    assert [box.class_index for box in labels.images[0].boxes] == [2, 0, 1]


def test_cases_a1_a_parent_named_only_in_another_split_is_a_root():
    train = document(["a.jpg"], [], [category(0, "fruit")])
    valid = document(["b.jpg"], [], [category(1, "apple", "fruit")])
    assert classes_of(train=train, valid=valid) == ("apple",)


def test_cases_a2_the_last_class_is_never_dropped():
    circle = [category(0, "a", "b"), category(1, "b", "a")]
    assert classes_of(train=document(["a.jpg"], [], circle)) == ("a", "b")


def test_cases_a1_classes_are_joined_by_name_train_first():
    train = document(["a.jpg"], [(0, 1, BOX)], [category(1, "dog"), category(2, "cat")])
    valid = document(["b.jpg"], [(0, 1, BOX)], [category(0, "ant"), category(1, "cat"), category(2, "dog")])
    labels = parse({"valid": valid, "train": train}, Notes())
    assert labels.classes == ("dog", "cat", "ant")
    assert [box.class_index for image in labels.images for box in image.boxes] == [0, 1]


def test_names_that_look_like_ids_stay_names():
    categories = [category(0, "digits"), *(category(i + 1, str(i), "digits") for i in range(10))]
    labels = parse({"train": document(["a.jpg"], [(0, 1, BOX)], categories)}, Notes())
    assert labels.classes == tuple("0123456789")
    assert labels.images[0].boxes[0].class_index == 0


def test_a_name_with_two_ids_is_one_class():
    notes = Notes()
    labels = parse({"train": document(["a.jpg"], [(0, 2, BOX)], [category(1, "cat"), category(2, "cat")])}, notes)
    assert labels.classes == ("cat",)
    assert codes(notes) == {"class-name-twice": 1}


# Annotations --------------------------------------------------------------------------------------


def test_cases_a10_images_without_boxes_are_kept():
    labels = parse({"train": document(["a.jpg", "b.jpg", "c.jpg"], [(1, 1, BOX)])}, Notes())
    assert [len(image.boxes) for image in labels.images] == [0, 1, 0]


@pytest.mark.parametrize(
    ("annotation", "code"),
    [((7, 1, BOX), "unknown-image-id"), ((0, 9, BOX), "unknown-category-id")],
)
def test_cases_b5_ids_that_name_nothing_are_errors(annotation, code):
    notes = Notes()
    parse({"train": document(["a.jpg"], [annotation])}, notes)
    assert notes.has_errors
    assert code in codes(notes)


def test_a_polygon_stands_in_for_a_missing_bbox():
    notes = Notes()
    polygon = {"image_id": 0, "category_id": 1, "segmentation": [[10, 10, 50, 12], [30, 60, 12, 20]]}
    labels = parse({"train": document(["a.jpg"], [polygon])}, notes)
    assert labels.images[0].boxes == (ListedBox(0, 10, 10, 40, 50),)
    assert codes(notes)["box-from-polygon"] == 1


@pytest.mark.parametrize(
    "shape",
    [
        {},
        {"bbox": [1, 2]},
        {"bbox": ["x"] * 4},
        {"bbox": [10**400, 1, 2, 3]},
        {"segmentation": {"counts": "abc"}},
        {"segmentation": [[10**400, 1, 2, 3, 4, 5]]},
    ],
)
def test_an_annotation_without_a_shape_is_dropped_and_counted(shape):
    notes = Notes()
    labels = parse({"train": document(["a.jpg"], [{"image_id": 0, "category_id": 1, **shape}])}, notes)
    assert clip(labels.images[0].boxes, 100, 100, "train/a.jpg", notes) == ()
    assert codes(notes)["box-dropped"] == 1


@pytest.mark.parametrize("place", range(6))
def test_a_polygon_with_a_point_that_is_no_number_has_no_box(place):
    """Wherever it stands: minimum and maximum pass over a NaN that does not come first."""
    points = [10, 10, 50, 12, 30, 60]
    points[place] = NAN
    polygon = {"image_id": 0, "category_id": 1, "segmentation": [points]}
    notes = Notes()
    labels = parse({"train": document(["a.jpg"], [polygon])}, notes)
    assert clip(labels.images[0].boxes, 100, 100, "train/a.jpg", notes) == ()
    assert codes(notes)["box-dropped"] == 1


def test_crowds_are_dropped_and_counted():
    notes = Notes()
    crowd = {"image_id": 0, "category_id": 1, "bbox": BOX, "iscrowd": 1}
    assert parse({"train": document(["a.jpg"], [crowd])}, notes).images[0].boxes == ()
    assert codes(notes)["crowd-dropped"] == 1


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "x/../../a.jpg", "..\\a.jpg"])
def test_a_file_name_that_leads_out_is_an_error(name):
    notes = Notes()
    assert parse({"train": document([name])}, notes).images == ()
    assert codes(notes)["bad-file-name"] == 1


def test_a_image_listed_twice_is_an_error():
    notes = Notes()
    parse({"train": document(["a.jpg", "a.jpg"])}, notes)
    assert codes(notes)["image-listed-twice"] == 1


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
def test_what_is_no_coco_says_where_and_what(content, match):
    with pytest.raises(BadExport, match=match) as caught:
        parse({"train": content}, Notes())
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
def test_cases_a13_boxes_are_cut_at_the_edge_or_dropped(box, expected, code):
    notes = Notes()
    got = clip((ListedBox(1, *map(float, box)),), 100, 100, "train/a.jpg", notes)
    assert got == ((Box(1, *expected),) if expected else ())
    assert codes(notes) == ({code: 1} if code else {})


def test_there_is_no_negative_zero():
    [box] = clip((ListedBox(0, -0.0, -0.0001, 5.0, 5.0),), 10, 10, "", Notes())
    assert "-" not in json.dumps(box)


def test_examples_are_few_and_all_are_counted():
    notes = Notes()
    clip((ListedBox(0, 0, 0, 0, 0),) * 20, 10, 10, "train/a.jpg", notes)
    [finding] = notes.findings()
    assert (finding.count, len(finding.examples)) == (20, 5)
    assert finding.examples[0] == "train/a.jpg: [0, 0, 0, 0]"


# Splits -------------------------------------------------------------------------------------------


def image(name, split="train", digest=None, boxes=1):
    sha256 = hashlib.sha256(f"{split}{name}".encode()).hexdigest() if digest is None else digest * 64
    box = (Box(0, 0, 0, 5, 5),) * boxes
    return LabelledImage(file_name=name, split=split, sha256=sha256, size=9, width=10, height=10, boxes=box)


def snapshot_of(*images, classes=("cat",)):
    notes = Notes()
    return make_snapshot(classes, images, LabelSource(kind="file", name="x"), notes), codes(notes)


def test_cases_a9_a_fifth_of_the_sources_is_held_out_the_same_each_time():
    images = [image(name) for name in numbered("a", 20)]
    made, found = snapshot_of(*images)
    again, _ = snapshot_of(*reversed(images))
    assert {split: count.images for split, count in made.counts().items()} == {"train": 16, "valid": 4}
    assert found["no-valid-split"] == 4
    assert made.digest == again.digest


def test_copies_and_twins_are_held_out_together():
    copies = [image(f"{name}.rf.{i:032x}.jpg") for name in "abcdef" for i in range(3)]
    twins = [image(f"{name}.rf.{0:032x}.jpg", digest="a") for name in ("x", "y", "z")]
    made, found = snapshot_of(*copies, *twins)
    sides = [{i.split for i in made.images if source_name(i.file_name) == name} for name in "abcdef"]
    assert all(len(side) == 1 for side in sides)
    assert len({i.split for i in made.images if source_name(i.file_name) in "xyz"}) == 1
    assert not {"leak-source", "leak-identical"} & found.keys()


@pytest.mark.parametrize("labelled", [2, 3, 9])
def test_both_sides_of_a_held_out_split_have_boxes(labelled):
    made, _ = snapshot_of(*[image(name, boxes=at < labelled) for at, name in enumerate(numbered("a", 12))])
    assert all(made.counts()[split].boxes for split in ("train", "valid"))


def test_cases_b8_a_valid_split_without_boxes_is_filled_up():
    made, found = snapshot_of(*map(image, numbered("a", 5)), image("v.jpg", "valid", boxes=0))
    assert made.counts()["valid"].images == 2
    assert found["no-valid-split"] == 1


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
def test_what_cannot_be_trained_on_has_no_snapshot(images, code):
    made, found = snapshot_of(*images)
    assert made is None
    assert code in found


def test_cases_a11_leaks_are_counted():
    _, found = snapshot_of(
        image("cat_jpg.rf.aaa.jpg"),
        image("cat_jpg.rf.bbb.jpg", "valid"),
        image("one.jpg", digest="1"),
        image("other.jpg", "valid", digest="1"),
        image("0001.jpg"),
        image("0001.jpg", "valid"),
        image("twin.jpg", digest="2"),
        image("twin2.jpg", digest="2"),
    )
    assert {code: found.get(code) for code in ("leak-source", "leak-identical", "duplicate-images")} == {
        "leak-source": 1,
        "leak-identical": 1,
        "duplicate-images": 1,
    }


def test_classes_that_cannot_be_learned_or_measured_are_named():
    train = image("a.jpg").model_copy(update={"boxes": (Box(0, 0, 0, 5, 5), Box(1, 0, 0, 5, 5))})
    valid = image("b.jpg", "valid").model_copy(update={"boxes": (Box(0, 0, 0, 5, 5), Box(2, 0, 0, 5, 5))})
    made, found = snapshot_of(train, valid, classes=("both", "train only", "valid only", "never"))
    assert [found[code] for code in ("class-unused", "class-not-in-train", "class-not-in-every-split")] == [1, 1, 1]
    assert made.classes == ("both", "train only", "valid only", "never")
