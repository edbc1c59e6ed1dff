"""Labels that do not fit the network: boxes of a few pixels in its input, and more boxes than it can give."""

import pytest

from tasks.images.network_output import max_detections
from tasks.labeling.checks.network import check_network_fit
from tasks.labeling.findings import FindingCounter
from tasks.records import Box, LabelledImage


def image(boxes, width=640, height=480, name="a.jpg"):
    return LabelledImage(
        file_name=name, split="train", sha256="1" * 64, size=1, width=width, height=height, boxes=tuple(boxes)
    )


def found(images, size):
    findings = FindingCounter()
    check_network_fit(images, size, findings)
    return {finding.code: finding for finding in findings.summary()}


def rows_of_boxes(count):
    """Boxes of 20 x 20 that do not overlap."""
    return [Box(0, 21 * (n % 30), 21 * (n // 30), 21 * (n % 30) + 20, 21 * (n // 30) + 20) for n in range(count)]


# 12 px of 640, at an input of 64, are 1.2 px: a tenth.
@pytest.mark.parametrize(("size", "side"), [(64, "1.2"), (96, "1.8"), (192, "3.6")])
def test_cases_boxes_of_a_few_pixels_in_the_input_are_counted_with_their_size_in_it(size, side):
    finding = found([image([Box(0, 10, 10, 22, 22), Box(0, 100, 100, 400, 400)])], size)["box-tiny-for-network"]
    assert (finding.severity, finding.count) == ("warning", 1)
    assert finding.examples == (f"train/a.jpg: [10, 10, 12, 12], {side} x {side} px at {size} px",)
    assert "under 4 px" in finding.message


@pytest.mark.parametrize("size", [224, 640])  # 4.2 and 12 px
def test_cases_the_same_boxes_are_large_enough_in_a_larger_input(size):
    assert found([image([Box(0, 10, 10, 22, 22)])], size) == {}


def test_cases_the_shorter_side_of_a_box_counts_and_the_longer_side_of_an_image():
    upright = image([Box(0, 10, 10, 20, 400)], width=480, height=1600)  # 10 px of 1600, at 640: 4
    assert found([upright], 640) == {}
    narrower = image([Box(0, 10, 10, 19.9, 400)], width=480, height=1600)
    assert found([narrower], 640)["box-tiny-for-network"].count == 1


def test_cases_a_small_image_is_enlarged_so_its_boxes_are_large_enough():
    assert found([image([Box(0, 1, 1, 3, 3)], width=64, height=64)], 640) == {}


@pytest.mark.parametrize(("boxes", "size", "limit"), [(301, 640, 300), (301, 128, 300), (85, 64, 84), (190, 96, 189)])
def test_cases_images_with_more_boxes_than_the_network_gives_are_counted_and_the_limit_is_named(boxes, size, limit):
    full = image(rows_of_boxes(boxes - 1), name="full.jpg")
    assert max_detections(size) == limit
    finding = found([image(rows_of_boxes(boxes)), full], size)["boxes-over-limit"]
    assert (finding.severity, finding.count) == ("warning", 1)
    assert finding.examples == (f"train/a.jpg: {boxes} boxes, limit {limit} at {size} px",)
    assert "300" in finding.message
