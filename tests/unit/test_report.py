"""The report page: whole, self-contained, escaped, and the same every time."""

import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from tasks.evaluation.pictures import compare_pictures
from tasks.evaluation.report import MISSING, ReportContent, render, write_report
from tasks.metrics import coco_truth, score
from tasks.records import (
    Box,
    EpochResult,
    LabelledImage,
    PromotionDecision,
    TrainingResult,
    TrainingSpec,
    count_images,
)

CLASSES = ("<b>apple</b>", "pear & plum", "medlar")
VOID = {"meta", "link", "br", "img"}


class Page(HTMLParser):
    """Reads a page; knows its tags, ids, attributes and text, and that every tag is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.attributes, self.text = [], [], [], [], ""
        self.feed(text)
        self.close()
        assert self.open == []
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *one) for one in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += " " + data


def labelled(name, *boxes):
    return LabelledImage(
        file_name=name, split="test", sha256="0" * 64, size=1, width=100, height=80, boxes=tuple(Box(*b) for b in boxes)
    )


IMAGES = (
    labelled("good.jpg", (0, 10, 10, 30, 30)),
    labelled("bad.jpg", (0, 10, 10, 30, 30), (1, 50, 10, 90, 60)),
    labelled("background.jpg"),
    labelled("<i>worst</i>.jpg", (0, 0, 0, 20, 20), (1, 40, 0, 60, 20)),
)
DETECTIONS = [
    {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 20], "score": 0.9},
    {"image_id": 2, "category_id": 1, "bbox": [11, 10, 20, 20], "score": 0.8},
    {"image_id": 4, "category_id": 2, "bbox": [0, 0, 20, 20], "score": 0.7},
    {"image_id": 2, "category_id": 2, "bbox": [50, 10, 40, 50], "score": 0.1},
]


def result_of(epoch):
    return EpochResult(
        epoch=epoch, losses={"total": 2.5 / epoch}, valid_losses={"total": 2.75 / epoch}, map=0.1234 * epoch,
        map50=0.2345 * epoch, precision=0.3, recall=0.3, lr=1e-4, seconds=2.5,
    )  # fmt: skip


@pytest.fixture
def pictures(tmp_path):
    Image.new("RGB", (100, 80), "grey").save(tmp_path / "any.png")
    return compare_pictures(IMAGES, CLASSES, DETECTIONS, 0.5, lambda image: tmp_path / "any.png", 12)


@pytest.fixture
def content(pictures):
    spec = TrainingSpec(
        snapshot_digest="1" * 64, classes=CLASSES, variant="m", epochs=3, image_size=320,
        batch_size=2, learning_rate=1e-3, patience=2, seed=17,
    )  # fmt: skip
    result = TrainingResult(
        run_key="2" * 64, epochs_done=3, best_epoch=3, best_map=0.37, ended="epochs", seconds=1,
        images_per_second=12.34, weights_sha256="3" * 64, resumed_from_epoch=None, device="cuda, bfloat16",
    )  # fmt: skip
    return ReportContent(
        title="fruit & more",
        measured_on="the test split",
        counts=count_images(IMAGES),
        scores=score(coco_truth(IMAGES, CLASSES), DETECTIONS, intervals=True),
        decision=PromotionDecision(
            promote=False, reason="No gain over <3.", candidate_map=0.5, champion_map=0.5, champion_version=2
        ),
        history=[result_of(epoch) for epoch in (1, 2, 3)],
        spec=spec,
        result=result,
        pictures=pictures,
        facts={"Files": "<b>"},
    )


def test_page_is_whole_and_needs_nothing_else(content):
    text = render(content)
    page = Page(text)
    assert "script" not in page.tags
    for _, name, value in page.attributes:
        if name in ("src", "href", "xlink:href"):
            assert value.startswith(("data:", "#")), value
    assert re.findall(r'(?<!xmlns=")(?<!xmlns:xlink=")https?://', text) == []
    assert re.findall(r"@import|url\((?!#)", text) == []
    assert len(page.ids) == len(set(page.ids))
    links = {value[1:] for _, name, value in page.attributes if name == "xlink:href"}
    assert links <= set(page.ids)


def test_every_number_is_on_the_page(content):
    text, scores = Page(render(content)).text, content.scores
    assert "Measured on the test split: 4 pictures, 5 boxes, 1 picture without boxes." in text
    for value in (scores.map, scores.map50, scores.map75, scores.precision, scores.recall):
        assert f"{value:.3f}" in text
    low, high = scores.ci95["map"]
    assert f"95 %: {low:.3f} to {high:.3f}" in text
    assert f"at score ≥ {scores.threshold:.3f}" in text
    for entry in scores.per_class.values():
        if entry.truths:
            row = (entry.truths, *(f"{v:.3f}" for v in (entry.ap, entry.ap50, entry.precision, entry.recall)))
            assert " ".join(map(str, row)) in text
    facts = (
        "YOLO-NAS M",
        "3, all done; best 3",
        "320 px",
        "Seed 17",
        "3" * 64,
        "1" * 64,
        "12.3 images/s",
        "cuda, bfloat16",
    )
    for fact in facts:
        assert fact in text


def test_names_are_escaped(content):
    text = render(content)
    page = Page(text)
    assert "<b>apple" not in text
    assert "<i>worst" not in text
    for name in (*CLASSES, "<i>worst</i>.jpg", "No gain over <3.", "fruit & more", "Files <b>"):
        assert name in page.text


def test_classes_are_sorted_worst_first_and_the_unmeasured_last(content):
    text = Page(render(content)).text
    places = [
        text.index(f"{name} {truths}") for name, truths in (("pear & plum", 2), ("<b>apple</b>", 3), ("medlar", 0))
    ]
    assert places == sorted(places)
    assert " ".join(["medlar 0", *[MISSING] * 5]) in text
    assert "no labelled box of that class here" in text


def test_curves_have_words_text_and_the_best_epoch(content):
    page = Page(render(content))
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("figure", "aria-label")]
    assert labels[0] == (
        "mAP over epochs 1 to 3: mAP 0.50:0.95 from 0.123 to 0.370, mAP 0.50 from 0.234 to 0.704; best epoch 3."
    )
    assert len(labels) == page.tags.count("svg") == 4
    assert page.text.count("best: 3") == 4
    for word in ("epoch", "total loss", "training", "validation", "precision", "recall"):
        assert word in page.text


def test_same_content_gives_the_same_page(content):
    assert render(content) == render(content)


@pytest.mark.parametrize("history", [[result_of(1)], [result_of(1).model_copy(update={"map": 0, "map50": 0})]])
def test_one_epoch_is_drawn_too(content, history):
    Page(render(ReportContent("t", "m", content.counts, content.scores, history=history)))


def test_what_is_missing_says_why(content):
    bare = ReportContent("t", "truth.json", content.counts, score(coco_truth(IMAGES, CLASSES), []))
    text = Page(render(bare)).text
    assert f"{MISSING} No curves: no training history was given." in text
    assert f"{MISSING} No pictures: none were given" in text
    assert f"{MISSING} (unknown here: only detections were given)" in text
    assert "not one detection of that class" in text
    assert "romoted" not in text
    text = Page(render(ReportContent("t", "m", content.counts, content.scores, spec=content.spec))).text
    assert f"Device {MISSING} (the result of the training was not given)" in text


def test_verdict(content):
    assert "Not promoted No gain over <3." in Page(render(content)).text


def test_written_whole(content, tmp_path):
    path = tmp_path / "report.html"
    write_report(path, content)
    assert path.read_text("utf-8") == render(content)
    assert list(tmp_path.glob("*.tmp")) == list(tmp_path.glob(".*.tmp")) == []


def test_pictures_come_worst_first_then_good_ones(pictures):
    told = [(p.file_name, p.kind, p.correct, p.missed, p.false) for p in pictures]
    assert told == [
        ("<i>worst</i>.jpg", "errors", 0, 2, 1),
        ("bad.jpg", "errors", 1, 1, 0),
        ("good.jpg", "good", 1, 0, 0),
    ]
    assert pictures[0].truth_alt == "Labels of <i>worst</i>.jpg: <b>apple</b> (missed), pear & plum (missed)"
    assert pictures[0].found_alt == "Detections in <i>worst</i>.jpg: pear & plum 0.70 (false)"
    assert all(jpeg.startswith(b"\xff\xd8") for p in pictures for jpeg in (p.truth_jpeg, p.found_jpeg))


def test_pictures_leave_room_for_good_ones(tmp_path):
    Image.new("L", (100, 80)).save(tmp_path / "any.png")
    images = [labelled(f"{i}.jpg", (0, 1, 1, 9, 9)) for i in range(10)]
    found = [{"image_id": i, "category_id": 1, "bbox": [1, 1, 8, 8], "score": 0.9} for i in (1, 2, 3)]
    kinds = [p.kind for p in compare_pictures(images, CLASSES, found, 0.5, lambda i: tmp_path / "any.png", 4)]
    assert kinds == ["errors"] * 3 + ["good"]
    none = compare_pictures(images, CLASSES, [], 0.5, lambda i: tmp_path / "any.png", 4)
    assert [p.kind for p in none] == ["errors"] * 4


def test_detections_at_the_edge_and_beyond_are_drawn(tmp_path):
    Image.new("RGBA", (100, 80)).save(tmp_path / "any.png")
    found = [
        {"image_id": 1, "category_id": 1, "bbox": box, "score": 0.9} for box in ([-50, -5, 10, 0], [95, 75, 90, 90])
    ]
    shown = compare_pictures(IMAGES[:1], CLASSES, found, 0.5, lambda i: tmp_path / "any.png", 1)
    assert (shown[0].missed, shown[0].false) == (1, 2)
