"""Images with suspected label errors: by which name they are found in a project, and when they are given back again."""

import pytest

from tasks.evaluation.report.suspected_images import group_by_image
from tasks.images.source_names import source_name
from tasks.labeling.roboflow.project_images import comparable_name
from tasks.records import Box, LabelledImage, SuspectedError
from tasks.suggestion.returned_images import labels_digest

DOG, CAT = Box(0, 1, 2, 30, 40), Box(1, 5, 6, 7, 8)


def labelled(name="a.png", boxes=(DOG, CAT)):
    return LabelledImage(file_name=name, split="test", sha256="a" * 64, size=1, width=64, height=64, boxes=boxes)


def error(name, score):
    return SuspectedError(
        file_name=name, kind="missing label", found="dog", labelled=None, score=score, box=(1, 2, 3, 4)
    )


@pytest.mark.parametrize(
    ("exported", "in_project"),
    [
        ("IMG_2131_jpg.rf.0123456789abcdef0123456789abcdef.jpg", "IMG_2131.jpg"),
        ("cow_png.rf.0a1b.jpg", "cow.png"),
        ("My-image-1-_JPG.rf.0a1b.jpg", "My image (1).JPG"),
        ("cow_png-rf-2c3d_jpg.rf.0a1b.jpg", "cow_png.rf.2c3d.jpg"),
        ("frame_mp4-0007_jpg.rf.0a1b.jpg", "frame_mp4-0007.jpg"),
        ("plain.jpg", "plain.jpg"),
    ],
)
def test_names_of_an_export_and_of_the_project_are_the_same_by_letters_and_digits(exported, in_project):
    assert comparable_name(source_name(exported)) == comparable_name(in_project)


@pytest.mark.parametrize(
    ("exported", "in_project"),
    [
        ("cow_png.rf.0a1b.jpg", "cow.jpg"),
        ("cow_png.rf.0a1b.jpg", "cow_png.rf.0a1b.jpg"),
        ("cow_png.rf.0a1b.jpg", "cow2.png"),
        ("cow-1_png.rf.0a.jpg", "cow-11.png"),
    ],
)
def test_other_names_differ(exported, in_project):
    assert comparable_name(source_name(exported)) != comparable_name(in_project)


def test_each_image_comes_once_by_its_highest_score():
    errors = [error("b.png", 0.9), error("a.png", 0.8), error("b.png", 0.7), error("not measured.png", 0.6)]
    images = group_by_image(errors, [labelled("a.png"), labelled("b.png"), labelled("c.png")])
    assert [image.labelled.file_name for image in images] == ["b.png", "a.png"]
    assert images[0].words == ["not labelled: dog? (score 0.90)", "not labelled: dog? (score 0.70)"]


def test_labels_are_the_same_in_any_order_of_boxes_and_classes():
    turned = labelled(boxes=(Box(0, *CAT[1:]), Box(1, *DOG[1:])))
    assert labels_digest(labelled(), ["dog", "cat"]) == labels_digest(turned, ["cat", "dog"])


@pytest.mark.parametrize("boxes", [(DOG,), (), (DOG, CAT, CAT), (DOG, Box(1, 5, 6, 7, 9)), (DOG, Box(0, *CAT[1:]))])
def test_labels_differ_with_any_box(boxes):
    assert labels_digest(labelled(), ["dog", "cat"]) != labels_digest(labelled(boxes=boxes), ["dog", "cat"])
