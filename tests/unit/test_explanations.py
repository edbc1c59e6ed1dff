"""Each finding can be looked up: what was seen, why it matters, what to do, and an example."""

import pytest

from deployments.offline.explain import explain
from tasks.errors import BadRequest
from tasks.labeling.annotations import AnnotatedBox
from tasks.labeling.checks.boxes import clip_boxes, one_of_nearly_equal
from tasks.labeling.explanations import boxes, classes, images, label_files, splits
from tasks.labeling.explanations.every import EXPLANATIONS
from tasks.labeling.explanations.explanation import MAX_TITLE
from tasks.labeling.finding_kinds import FINDING_KINDS
from tasks.labeling.findings import FindingCounter


def test_each_finding_is_explained_once():
    parts = (splits.SPLITS, images.IMAGES, label_files.LABEL_FILES, boxes.BOXES, classes.CLASSES)
    assert sorted(code for part in parts for code in part) == sorted(FINDING_KINDS)


@pytest.mark.parametrize("code", FINDING_KINDS)
def test_an_explanation_is_whole_and_fits_a_line_of_80(code):
    document = explain(code)
    assert list(document) == ["ok", "code", "severity", "seen", "title", "why", "remedy", "example"]
    assert all(document.values())
    assert len(document["title"]) <= MAX_TITLE
    assert not document["title"].endswith(".")
    assert document["why"].endswith(".")
    assert document["remedy"].endswith(".")
    assert not any("\n" in str(value) or "{" in str(value) for key, value in document.items() if key != "example")


def test_titles_are_all_different():
    assert len({explanation.title for explanation in EXPLANATIONS.values()}) == len(EXPLANATIONS)


def test_the_list_has_a_line_for_each_finding_in_their_order():
    assert [finding["code"] for finding in explain("list")["findings"]] == list(FINDING_KINDS)


@pytest.mark.parametrize(
    ("wrong", "nearest"), [("boxtiny", "box-tiny"), ("TRAIN-TINY", "train-tiny"), ("leaks", "leak-")]
)
def test_an_unknown_code_names_the_nearest(wrong, nearest):
    with pytest.raises(BadRequest, match=rf"--explain {wrong}: there is no such finding; the nearest are {nearest}"):
        explain(wrong)


@pytest.mark.parametrize(
    ("code", "box", "width"),
    [
        ("box-tiny", (10, 10, 2, 2), 640),
        ("box-dropped", (10, 10, 0, 20), 640),
        ("box-clipped", (600, 10, 80, 20), 640),
        ("box-rounded", (600, 10, 40.5, 20), 640),
    ],
)
def test_the_examples_of_boxes_have_their_finding(code, box, width):
    assert f"[{', '.join(map(str, box))}]" in EXPLANATIONS[code].example
    findings = FindingCounter()
    clip_boxes((AnnotatedBox(0, *box),), width, 480, "a.jpg", findings)
    assert findings.count(code) == 1


def test_the_example_of_boxes_that_nearly_cover_each_other_has_its_finding():
    assert EXPLANATIONS["box-nearly-twice"].example == '"bbox": [10, 10, 40, 40] and [11, 10, 40, 41], both apple'
    boxes = (AnnotatedBox(0, 10, 10, 40, 40), AnnotatedBox(0, 11, 10, 40, 41))
    clipped = clip_boxes(boxes, 640, 480, "a.jpg", FindingCounter())
    assert (len(clipped), len(one_of_nearly_equal(clipped))) == (2, 1)
