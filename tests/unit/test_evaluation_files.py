"""COCO files of other programs: read if they are consistent, refused in one line if not."""

import copy
import json

import pytest

from tasks.errors import BadInput
from tasks.evaluation.coco_detections import load_detections
from tasks.evaluation.coco_truth import load_ground_truth
from tasks.metrics import score

GROUND_TRUTH = {
    "info": {"year": 2024},
    "images": [{"id": 7, "file_name": "a.jpg", "width": 64, "height": 64, "license": 1}, {"id": 9}],
    "categories": [{"id": 3, "name": "apple", "supercategory": "fruit"}, {"id": 90, "name": "pear"}],
    "annotations": [
        {"id": 0, "image_id": 7, "category_id": 3, "bbox": [1, 2, 10, 20], "segmentation": [[1, 2, 3]]},
        {"id": 0, "image_id": 9, "category_id": 90, "bbox": [1, 2, 10.5, 20], "iscrowd": 0, "area": 1},
    ],
}
DETECTIONS = [
    {"image_id": 7, "category_id": 3, "bbox": [1, 2, 10, 20], "score": 0.9},
    {"image_id": 9, "category_id": 90, "bbox": [1, 2, 10.5, 20], "score": 1},
]


@pytest.fixture
def write(tmp_path):
    def write(content, name="file.json"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write


def changed(content, *place, value):
    content = copy.deepcopy(content)
    inner = content
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    return content


def test_cases_e1_e7_ids_from_zero_and_repeated_ids_are_numbered_anew(write):
    ground_truth = load_ground_truth(write(GROUND_TRUTH))
    assert [annotation["id"] for annotation in ground_truth.document["annotations"]] == [1, 2]
    assert score(ground_truth.document, load_detections(write(DETECTIONS), ground_truth).detections).map == 1.0


def test_detections_may_come_in_a_document_and_with_a_byte_order_mark(write):
    ground_truth = load_ground_truth(write(b"\xef\xbb\xbf" + json.dumps(GROUND_TRUTH).encode()))
    document = {"annotations": DETECTIONS, "categories": GROUND_TRUTH["categories"], "images": GROUND_TRUTH["images"]}
    assert load_detections(write(document), ground_truth) == load_detections(write(DETECTIONS), ground_truth)
    assert load_detections(write([]), ground_truth).detections == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "Invalid JSON"),
        (b"", "Invalid JSON"),
        ([], "expected COCO annotations: images, categories and annotations"),
        ({"images": []}, r"Field required at categories \(and 1 more\)"),
        (
            changed(GROUND_TRUTH, "annotations", 1, "bbox", value=[1, 2, 3]),
            r"Field required at annotations\[1\].bbox\[3\]",
        ),
        (
            changed(GROUND_TRUTH, "annotations", 1, "bbox", 0, value=float("nan")),
            r"finite number at annotations\[1\].bbox\[0\]",
        ),
        (
            changed(GROUND_TRUTH, "annotations", 1, "bbox", 2, value=-1),
            r"greater than or equal to 0 at annotations\[1\].bbox",
        ),
        (
            changed(GROUND_TRUTH, "annotations", 0, "image_id", value=8),
            "1 of 2 annotations have an unknown image id: 8; .* 7, 9",
        ),
        (
            changed(GROUND_TRUTH, "annotations", 0, "category_id", value=4),
            "1 of 2 annotations have an unknown category id: 4",
        ),
        (changed(GROUND_TRUTH, "images", 1, "id", value=7), "image id 7 occurs more than once"),
        (changed(GROUND_TRUTH, "categories", 1, "id", value=3), "category id 3 occurs more than once"),
    ],
)
def test_inconsistent_ground_truth_is_refused(write, content, message):
    with pytest.raises(BadInput, match=message) as caught:
        load_ground_truth(write(content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[{", "Invalid JSON"),
        (b"7", "expected COCO results"),
        ({"results": []}, "Field required at annotations"),
        (changed(DETECTIONS, 0, "score", value=float("nan")), r"at \[0\].score"),
        (changed(DETECTIONS, 1, "score", value=1.5), r"less than or equal to 1 at \[1\].score"),
        (changed(DETECTIONS, 1, "score", value=-0.5), r"greater than or equal to 0 at \[1\].score"),
        (changed(DETECTIONS, 1, "bbox", 3, value=float("inf")), r"finite number at \[1\].bbox\[3\]"),
        (
            changed(DETECTIONS, 0, "image_id", value=1),
            r"1 of 2 detections have an unknown image id: 1; the ground truth has 7 \(a.jpg\), 9; give both",
        ),
        ([{**DETECTIONS[0], "category_id": i} for i in range(10, 20)], "10 of 10 .* 10, 11, 12, 13, 14 and 5 more"),
        (
            {"annotations": DETECTIONS, "categories": [{"id": 3, "name": "pear"}]},
            "categories has no id 90, which detections have",
        ),
        (
            {"annotations": DETECTIONS[:1], "categories": [{"id": 3, "name": "plum"}]},
            "1 of 1 detections name an unknown category: plum; the ground truth has apple, pear; give both",
        ),
        ({"annotations": DETECTIONS, "images": [{"id": 7, "file_name": "b.jpg"}]}, "image id 7 is 'b.jpg' here"),
    ],
)
def test_cases_e7_inconsistent_detections_are_refused(write, content, message):
    ground_truth = load_ground_truth(write(GROUND_TRUTH))
    with pytest.raises(BadInput, match=message) as caught:
        load_detections(write(content, "detections.json"), ground_truth)
    assert "detections.json: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(BadInput, match=r"gone\.json: cannot be read: No such file or directory"):
        load_ground_truth(tmp_path / "gone.json")
    with pytest.raises(BadInput, match="Is a directory"):
        load_ground_truth(tmp_path)
