"""Detections of other programs: their images and classes are found by names, by stems, or by ids counted otherwise."""

import json

import pytest

from tasks.errors import BadInput
from tasks.evaluation.coco_detections import load_detections
from tasks.evaluation.coco_truth import load_ground_truth
from tasks.metrics import score

ROOT = [
    {"id": 0, "name": "apples", "supercategory": "none"},
    {"id": 1, "name": "apples", "supercategory": "apples"},
    {"id": 2, "name": "damaged", "supercategory": "apples"},
    {"id": 3, "name": "rotten", "supercategory": "apples"},
]
"""As Roboflow writes them; its parent category has the name of the project, here also that of a class."""
IMAGES = [{"id": number, "file_name": f"{'abcd'[number]}.jpg", "width": 100, "height": 100} for number in range(4)]
LABELS = [(0, 1, 10), (0, 2, 40), (1, 3, 20), (2, 1, 30), (2, 3, 60), (3, 2, 5)]
"""Image id, category id, and left edge of a box."""


def ground_truth(categories=ROOT, images=IMAGES, labels=LABELS):
    boxes = [{"image_id": image, "category_id": key, "bbox": [left, left, 20, 20]} for image, key, left in labels]
    return {"images": images, "categories": categories, "annotations": boxes}


def detections(image_of=lambda image: image, class_of=lambda key: key, labels=LABELS, **names):
    return [
        {
            "image_id": image_of(image),
            "category_id": class_of(key),
            "bbox": [left, left, 20, 20],
            "score": 0.9,
            **{name: of(image, key) for name, of in names.items()},
        }
        for image, key, left in labels
    ]


@pytest.fixture
def read(tmp_path):
    def read(truth, found):
        for name, content in (("truth", truth), ("found", found)):
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
        labels = load_ground_truth(tmp_path / "truth.json")
        return labels, load_detections(tmp_path / "found.json", labels)

    return read


def map_of(labels, found):
    return score(labels.document, found.detections).map


def test_cases_a_root_category_with_the_name_of_a_class_is_not_a_class(read):
    labels, found = read(ground_truth(), detections())
    assert labels.classes == {1: "apples", 2: "damaged", 3: "rotten"}
    assert map_of(labels, found) == 1
    assert labels.notes == ("truth.json: parent category without a box, not a class: apples (id 0)",)
    assert found.notes == ()


def test_cases_a_root_category_of_a_class_without_boxes_is_dropped_and_the_class_stays(read):
    labels, _ = read(ground_truth(labels=[(0, 2, 10)]), [])
    assert labels.classes == {1: "apples", 2: "damaged", 3: "rotten"}


def test_cases_categories_that_are_their_own_parents_are_classes(read):
    people = [
        {"id": 1, "name": "person", "supercategory": "person"},
        {"id": 2, "name": "cat", "supercategory": "animal"},
    ]
    labels, _ = read(ground_truth(people, labels=[(0, 2, 10)]), [])
    assert labels.classes == {1: "person", 2: "cat"}


def test_cases_parents_alone_are_classes_for_the_last_class_is_never_dropped(read):
    two = [{"id": 1, "name": "a", "supercategory": "b"}, {"id": 2, "name": "b", "supercategory": "a"}]
    labels, _ = read(ground_truth(two, labels=[]), [])
    assert labels.classes == {1: "a", 2: "b"}


def test_cases_two_categories_of_one_name_are_one_class(read):
    categories = [{"id": 5, "name": "apple"}, {"id": 7, "name": "pear"}, {"id": 9, "name": "apple "}]
    labels, found = read(
        ground_truth(categories, labels=[(0, 5, 10), (1, 9, 10), (2, 7, 10)]),
        detections(labels=[(0, 9, 10), (1, 5, 10), (2, 7, 10)]),
    )
    assert labels.classes == {5: "apple", 7: "pear"}
    assert map_of(labels, found) == 1
    assert labels.notes == ("truth.json: class name with more than one id, taken as one class: apple",)


@pytest.mark.parametrize(
    "image_of",
    [
        lambda image: "abcd"[image],
        lambda image: f"{'abcd'[image]}.jpg",
        lambda image: f"images/{'abcd'[image]}.png",
        str,
    ],
)
def test_cases_images_are_found_by_stem_or_name(read, image_of):
    labels, found = read(ground_truth(), detections(image_of, lambda key: key))
    assert map_of(labels, found) == 1


def test_cases_stems_are_said(read):
    _, found = read(ground_truth(), detections(lambda image: "abcd"[image]))
    assert len(found.notes) == 1
    assert "found.json: image ids read as names of files (a = a.jpg, b = b.jpg, c = c.jpg and 1 more)" in found.notes[0]


def test_cases_stems_of_digits_are_numbers_as_ultralytics_writes_them(read):
    images = [{**image, "file_name": f"sub/0000{7 + image['id']}.jpg"} for image in IMAGES]
    labels, found = read(ground_truth(images=images), detections(lambda image: 7 + image))
    assert map_of(labels, found) == 1


def test_cases_a_stem_of_two_images_is_refused(read):
    images = [*IMAGES, {**IMAGES[0], "id": 9, "file_name": "a.png"}]
    with pytest.raises(
        BadInput, match=r"2 of 6 detections have an unknown image id: a; the ground truth has 0 \(a.jpg\)"
    ):
        read(ground_truth(images=images), detections(lambda image: "a" if image == 0 else image))


def test_cases_ids_of_images_that_are_texts_are_read(read):
    images = [{**image, "id": f"x-{image['id']}"} for image in IMAGES]
    labels, found = read(
        ground_truth(images=images, labels=[(f"x-{image}", key, left) for image, key, left in LABELS]),
        detections(lambda image: f"x-{image}"),
    )
    assert map_of(labels, found) == 1


def test_cases_numbers_that_are_ids_of_some_images_and_stems_of_others_are_settled_by_the_boxes_or_refused(read):
    images = [{**image, "file_name": f"{3 - image['id']}.jpg"} for image in IMAGES]
    labels, found = read(ground_truth(images=images), detections())
    assert (map_of(labels, found), found.notes) == (1, ())
    with pytest.raises(
        BadInput, match=r"image ids can be read in two ways: 6 detections fit .* as names of files .*, 0 "
    ):
        read(ground_truth(images=images), detections(lambda image: 3 - image))


@pytest.mark.parametrize("start", [0, 1, 100])
def test_cases_names_beside_ids_decide_whatever_the_ids(read, start):
    names = {
        "file_name": lambda image, key: f"val/{'abcd'[image]}.jpg",
        "category_name": lambda image, key: ROOT[key]["name"],
    }
    labels, found = read(ground_truth(), detections(lambda image: image + start, lambda key: key % 3 + start, **names))
    assert (map_of(labels, found), found.notes) == (1, ())


def test_cases_a_category_id_that_is_a_name_or_a_number_as_text_is_read(read):
    labels, found = read(ground_truth(), detections(class_of=lambda key: ROOT[key]["name"]))
    assert map_of(labels, found) == 1
    assert "category ids read as names of classes (apples = apples, " in found.notes[0]
    labels, found = read(ground_truth(), detections(class_of=str))
    assert (map_of(labels, found), found.notes) == (1, ())


def test_cases_a_document_that_names_its_ids_is_joined_by_names(read):
    document = {
        "annotations": detections(lambda image: 50 - image, lambda key: 20 - key),
        "images": [{**image, "id": 50 - image["id"]} for image in IMAGES],
        "categories": [{"id": 20 - item["id"], "name": item["name"]} for item in ROOT],
    }
    labels, found = read(ground_truth(), document)
    assert (map_of(labels, found), found.notes) == (1, ())


def test_cases_ids_counted_from_0_behind_a_root_category_are_read_and_said(read):
    labels, found = read(ground_truth(), detections(class_of=lambda key: key - 1))
    assert map_of(labels, found) == 1
    assert found.notes[0].endswith(
        "found.json: category ids read as positions of the classes from 0 (0 = apples, 1 = damaged, 2 = rotten)"
    )


def test_cases_ids_counted_from_1_where_the_ground_truth_counts_from_0_are_read_and_said(read):
    from_0 = [{"id": key, "name": "abc"[key]} for key in range(3)]
    labels, found = read(ground_truth(from_0, labels=[(0, 0, 10), (1, 1, 10), (2, 2, 10)]),
                         detections(labels=[(0, 1, 10), (1, 2, 10), (2, 3, 10)]))  # fmt: skip
    assert map_of(labels, found) == 1
    assert "read as positions of the classes from 1 (1 = a, 2 = b, 3 = c)" in found.notes[0]


def test_cases_a_shift_that_alone_explains_the_boxes_is_refused_if_the_ids_fit_too(read):
    from_1 = [{"id": key, "name": "abcd"[key - 1]} for key in range(1, 5)]
    labels = [(image, key, 10) for image, key in enumerate([2, 3, 2, 3])]
    with pytest.raises(BadInput) as caught:
        read(ground_truth(from_1, labels=labels), detections(class_of=lambda key: key - 1, labels=labels))
    message = str(caught.value)
    assert "category ids can be read in two ways: 4 detections fit labelled boxes" in message
    assert (
        "as positions of the classes from 0 (1 = b, 2 = c), 0 with them as ids of the ground truth (1 = a, 2 = b)"
        in message
    )
    assert message.endswith("or write file_name and category_name in each detection")
    assert "\n" not in message


def test_cases_a_wrong_class_now_and_then_is_a_mistake_and_no_shift(read):
    from_1 = [{"id": key, "name": "abcd"[key - 1]} for key in range(1, 5)]
    labels = [(image, key, 10) for image, key in enumerate([2, 3, 2, 3])]
    found = detections(labels=labels)
    found[0]["category_id"] = 1  # one of four is right with another shift
    _, read_detections = read(ground_truth(from_1, labels=labels), found)
    assert read_detections.notes == ()
    assert [box["category_id"] for box in read_detections.detections] == [1, 3, 2, 3]


def test_cases_a_shift_that_explains_a_few_boxes_more_by_chance_is_not_worth_a_word(read):
    from_1 = [{"id": key, "name": "abcdef"[key - 1]} for key in range(1, 7)]
    labels = [(image % 4, key, 22 * (image // 4)) for image, key in enumerate([2, 3, 4, 5, 2, 3, 4])]
    found = detections(labels=labels)
    for box, key in zip(found, [1, 2, 4, 1, 5, 5, 1], strict=True):  # two fit if counted from 0, one as it is
        box["category_id"] = key
    _, read_detections = read(ground_truth(from_1, labels=labels), found)
    assert read_detections.notes == ()
    assert [box["category_id"] for box in read_detections.detections] == [1, 2, 4, 1, 5, 5, 1]


def test_cases_ids_that_fit_neither_way_are_refused_and_the_known_ones_named(read):
    with pytest.raises(BadInput, match=r"2 of 6 .* unknown category id: 4; the ground truth has 1 \(apples\), 2"):
        read(ground_truth(), detections(class_of=lambda key: key + (key == 3)))


def test_cases_ids_that_fit_only_in_two_other_ways_are_refused(read):
    tens = [{"id": 10 * key, "name": "abc"[key - 1]} for key in (1, 2, 3)]
    with pytest.raises(
        BadInput, match=r"could be read as positions .* from 0 \(1 = b, 2 = c\), or .* from 1 \(1 = a, 2"
    ):
        read(ground_truth(tens, labels=[(0, 10, 5)]), detections(labels=[(0, 1, 5), (0, 2, 5)]))
