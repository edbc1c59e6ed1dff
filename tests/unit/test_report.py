"""The report page: whole, self-contained, escaped, and the same every time."""

import base64
import csv
import hashlib
import io
import json
import re
from dataclasses import replace

import pytest
from PIL import Image

from tasks.evaluation.report.charts import learning_chart
from tasks.evaluation.report.content import ReportContent, with_images
from tasks.evaluation.report.gain_tables import gains
from tasks.evaluation.report.images import draw_images
from tasks.evaluation.report.mistake_tables import calibration_in_words, confusions, errors
from tasks.evaluation.report.page import render, write_report
from tasks.evaluation.report.suspected_errors import draw_suspected_errors, suspected_errors_csv
from tasks.records import (
    Box,
    Calibration,
    CalibrationBin,
    ClassScore,
    ErrorShare,
    LabelledImage,
)
from tasks.rendering.chart import Chart, Series, ticks
from tasks.rendering.pages import MISSING, json_text
from tasks.rendering.svg import draw_chart
from tests.fakes import evaluations as fakes
from tests.fakes.html import Page
from tests.fakes.learning import study

CLASSES = ("<b>apple</b>", "pear & plum", "medlar")
HOSTILE = ("</script><script>alert(1)</script>", "<!--", "\u2028\u2029", "\"'`", "__proto__", "=1+1")


def labelled(name, *boxes):
    return LabelledImage(
        file_name=name, split="test", sha256="0" * 64, size=1, width=100, height=80, boxes=tuple(Box(*b) for b in boxes)
    )


def detection(image, class_index, *box, score=0.9):
    return {"image_id": image, "category_id": class_index + 1, "bbox": list(box), "score": score}


IMAGES = (
    labelled("good.jpg", (0, 10, 10, 30, 30)),
    labelled("bad.jpg", (0, 10, 10, 30, 30), (1, 50, 10, 90, 60)),
    labelled("background.jpg"),
    labelled("<i>worst</i>.jpg", (0, 0, 0, 20, 20), (1, 40, 0, 60, 20)),
)
DETECTIONS = [
    detection(1, 0, 10, 10, 20, 20, score=0.9),
    detection(2, 0, 11, 10, 20, 20, score=0.8),
    detection(4, 1, 0, 0, 20, 20, score=0.7),
    detection(2, 1, 50, 10, 40, 50, score=0.1),
]


@pytest.fixture
def any_image(tmp_path):
    Image.new("RGB", (100, 80), "grey").save(tmp_path / "any.png")
    return lambda image: tmp_path / "any.png"


@pytest.fixture
def content(any_image):
    evaluation = fakes.evaluation(CLASSES, absent=("medlar",), speed=fakes.speed())
    suspected_errors = [fakes.suspected_error("<i>worst</i>.jpg", CLASSES[1], CLASSES[0], 0.7, (0, 0, 20, 20))]
    return ReportContent(
        title="fruit & more",
        evaluation=evaluation,
        comparison=fakes.comparison(CLASSES[:2]),
        decision=fakes.decision(promote=False, verdict="keep", reason="No gain over <3."),
        history=fakes.history([0.1, 0.2, 0.37]),
        spec=fakes.spec(CLASSES),
        result=fakes.result(epochs_done=3, best_epoch=3),
        images=draw_images(IMAGES, CLASSES, DETECTIONS, 0.5, any_image, 12),
        suspected_errors=draw_suspected_errors(suspected_errors, IMAGES, CLASSES, any_image, 5),
        facts={"Files": "<b>"},
    )


def text_of(content):
    return Page(render(content)).text


# The page itself ------------------------------------------------------------------------------------


def test_page_is_whole_and_needs_nothing_else(content):
    text = render(content)
    page = Page(text)
    links = [value for _, name, value in page.attributes if name in ("src", "href", "xlink:href")]
    assert [value for value in links if not value.startswith(("data:", "#"))] == []
    assert [name for _, name, _ in page.attributes if name.startswith("on")] == []
    assert re.findall(r'https?://(?!www\.w3\.org/2000/svg")', text) == []
    assert re.findall(r"@import|url\(", text) == []
    assert len(page.ids) == len(set(page.ids))
    assert {value[1:] for value in page.values("a", "href") if value.startswith("#")} <= set(page.ids)
    assert set(page.values("section", "aria-labelledby")) <= set(page.ids)
    assert set(page.values("button", "data-table")) == set(page.values("table", "id"))


def test_the_only_script_is_named_by_its_hash(content):
    page = Page(render(content))
    data, script = page.scripts
    policy = next(value for value in page.values("meta", "content") if "default-src" in value)
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy == (
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{allowed}'; base-uri 'none'; form-action 'none'"
    )
    assert page.values("script", "type") == ["application/json"]
    assert json.loads(data)["classes"][0]["name"] == "all classes"


def test_hostile_names_stay_text_everywhere(content):
    evaluation = fakes.evaluation(HOSTILE)
    suspected_errors = tuple(fakes.suspected_error(name, name, None, 0.9, (0, 0, 9, 9)) for name in HOSTILE)
    evaluation = evaluation.model_copy(
        update={"analysis": evaluation.analysis.model_copy(update={"suspected_errors": suspected_errors})}
    )
    hostile = replace(
        content, title=HOSTILE[0], evaluation=evaluation, comparison=fakes.comparison(HOSTILE), facts={HOSTILE[0]: "<"}
    )
    text = render(hostile)
    page = Page(text)
    assert text.count("<script") == text.count("</script>") == len(page.scripts) == 2
    assert "<!--" not in text
    data = page.scripts[0]
    assert data.isascii()
    assert [one["name"] for one in json.loads(data)["classes"]] == ["all classes", *HOSTILE]
    for name in HOSTILE:
        assert " ".join(name.split()) in page.text


def test_json_is_plain_ascii_without_markup():
    assert json_text(["</script>", "<!--", "\u2028", "&'"]) == (
        '["\\u003c/script\\u003e","\\u003c!--","\\u2028","\\u0026\\u0027"]'
    )


def test_names_are_escaped(content):
    text = render(content)
    page = Page(text)
    assert "<b>apple" not in text
    assert "<i>worst" not in text
    for name in (*CLASSES, "<i>worst</i>.jpg", "No gain over <3.", "fruit & more", "Files <b>"):
        assert name in page.text


def test_same_content_gives_the_same_page(content):
    assert render(content) == render(content)


def test_the_page_is_written_whole(content, tmp_path):
    path = tmp_path / "report.html"
    write_report(path, content)
    assert path.read_text("utf-8") == render(content)
    assert list(tmp_path.glob("*.tmp")) == list(tmp_path.glob(".*.tmp")) == []


def test_only_images_that_are_shown_are_drawn(any_image):
    drawn = []

    def image_path(image):
        drawn.append(image.file_name)
        return any_image(image)

    content = ReportContent("t", fakes.evaluation(), decision=fakes.decision(), history=fakes.long_history())
    content = with_images(content, IMAGES, DETECTIONS, image_path)
    assert sorted(drawn) == ["<i>worst</i>.jpg", "bad.jpg", "good.jpg"]
    text = text_of(content)
    assert "Promoted mAP 0.412 against 0.371" in text
    assert "bad.jpg 1 correct, 1 false negative" in text


def test_missing_parts_say_why():
    evaluation = fakes.evaluation(("cat", "dog"), absent=("dog",))
    analysis = evaluation.analysis.model_copy(update={"suspected_errors": (), "curves": {}})
    text = text_of(ReportContent("t", evaluation.model_copy(update={"analysis": analysis})))
    assert f"{MISSING} No curves: no training history was given." in text
    assert f"{MISSING} No curves: none were computed." in text
    assert f"{MISSING} No images: none were given" in text
    assert f"{MISSING} (unknown here: only detections were given)" in text
    assert "None: nowhere is the model sure" in text
    assert "romoted" not in text
    assert "model in use" not in text
    text = text_of(ReportContent("t", evaluation, spec=fakes.spec()))
    assert f"Device {MISSING} (the result of the training was not given)" in text


@pytest.mark.parametrize("maps", [[0.3], [0.0]])
def test_one_epoch_is_drawn_too(content, maps):
    text_of(replace(content, history=fakes.history(maps)))


# Numbers --------------------------------------------------------------------------------------------


def test_every_headline_number_has_its_interval_and_what_it_depends_on(content):
    text = text_of(content)
    assert "Measured on the test split: 40 images of 40 sources, 36 boxes, 3 images without boxes." in text
    assert "mAP 0.412 95 %: 0.352 to 0.472 IoU 0.50 to 0.95" in text
    assert "mAP75 0.455 95 %: 0.395 to 0.515 IoU 0.75" in text
    assert "AR 0.520 95 %: 0.460 to 0.580" in text
    for name, value, low, high in (
        ("Precision", 0.71, 0.65, 0.77),
        ("Recall", 0.64, 0.58, 0.7),
        ("F1", 0.673, 0.613, 0.733),
    ):
        assert (
            f"{name} {value:.3f} 95 %: {low:.3f} to {high:.3f} at confidence threshold 0.412, chosen on the valid split"
            in text
        )
    assert "means over the 2 of 3 classes" in text
    assert "at most 100 detections per image and class and scores from 0.010 on" in text
    assert f"small under 32 x 32 pixels {MISSING} no labelled box of this size here" in text
    assert "medium 32 x 32 to 96 x 96 pixels 0.380" in text


def test_a_threshold_chosen_on_the_same_images_is_mentioned_beside_the_numbers(content):
    evaluation = content.evaluation
    scores = evaluation.scores.model_copy(update={"threshold_from": None})
    text = text_of(replace(content, evaluation=evaluation.model_copy(update={"scores": scores})))
    assert text.count("at confidence threshold 0.412, chosen on these same images, which flatters") == 3


def test_classes_are_sorted_worst_first_and_the_unmeasured_last(content):
    text = text_of(content)
    apple = "<b>apple</b> 4 0.200 0.15 to 0.25 0.400 0.35 to 0.45 0.450 0.40 to 0.50 0.350 0.30 to 0.40 0.400"
    medlar = " ".join(["medlar no labelled box of this class here 0", *[MISSING] * 5])
    places = [text.index(row) for row in (apple, "pear & plum 15 0.620", medlar)]
    assert places == sorted(places)
    assert "so the class stays out of the means" in text


def test_facts_of_the_run(content):
    text = text_of(content)
    facts = (
        "YOLO-NAS M", "3, all done; best 3", "320 px", "Seed 17", "3" * 64, "1" * 64, "12.3 images/s", "cuda, bfloat16",
        "One image, median 12.3 ms", "Images a second, 16 at a time 210.0", "Parameters 19.0 million",
        "Weights file 76.0 MB",
    )  # fmt: skip
    for fact in facts:
        assert fact in text


# Whether the labels are enough -------------------------------------------------------------------------


def test_a_learning_curve_is_drawn_with_its_points_and_verdict(content):
    learning = study(CLASSES, (0.4, 0.52, 0.57, 0.6), 0.02)
    text = render(replace(content, learning=learning))
    page = Page(text)
    short = page.text.index("Are the labels enough?")
    assert page.text.index(learning.sentence) - short < 30
    assert page.text.count(learning.sentence) == 2
    assert f"Rule: {learning.rule}" in page.text
    assert "nasflow study" not in page.text
    chart = text[text.index('data-chart="learning"') :]
    chart = chart[: chart.index("</svg>")]
    assert (chart.count('class="dot"'), chart.count('class="band"'), chart.count("<polyline")) == (4, 1, 3)
    assert "now: 100" in chart
    data = json.loads(page.scripts[0])["charts"]["learning"]
    assert (data["x"][0], data["x"][-1]) == (25, 200)
    assert "25 25 % 0.400 0.38 to 0.42" in page.text
    gains = page.text[page.text.index("Which classes would gain most") :]
    places = [
        gains.index(name) for name in ("<b>apple</b> +0.", "pear & plum +0.000", f"medlar {MISSING} cannot be told")
    ]
    assert places == sorted(places)


def test_the_learning_chart_stays_inside_its_axes():
    learning = study(CLASSES, (0.7, 0.9, 0.95, 0.97), 0.1)
    chart = learning_chart(learning, learning.band)
    svg = draw_chart(chart)
    _, top, _, bottom = chart.box
    assert chart.y_top == 1.0
    dots = re.findall(r'class="dot"><line [^>]*y1="([\d.-]+)" y2="([\d.-]+)"/><circle [^>]*cy="([\d.-]+)"', svg)
    places = " ".join(re.findall(r'points="([^"]*)"', svg)).split()
    heights = [float(y) for dot in dots for y in dot] + [float(place.split(",")[1]) for place in places]
    assert len(heights) > 100
    assert all(top <= y <= bottom for y in heights)
    assert "measured 0.970 at 100" in chart.summary


def test_a_study_that_cannot_tell_has_its_points_and_no_curve(content):
    learning = study(CLASSES, (0.0, 0.0, 0.0, 0.2))
    text = render(replace(content, learning=learning))
    page = Page(text)
    assert 'data-chart="learning"' not in text
    assert "of 4 models 1 surely found something" in page.text
    assert "100 100 % 0.200" in page.text


def test_without_a_study_the_page_names_the_command(content):
    assert "cannot be known from one run: nasflow study trains on parts" in text_of(content)


# The verdict ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "Promoted because"),
        ({"promote": False, "verdict": "keep"}, "Not promoted because"),
        ({"promote": False, "verdict": "cannot tell"}, "Cannot tell: not promoted because"),
        ({"verdict": "keep", "overridden": "asked for <by> hand"}, "Promoted, whatever the gate says because Why it "
         "was promoted all the same: asked for <by> hand"),
    ],
)  # fmt: skip
def test_the_verdict_is_above_everything(content, changes, verdict):
    text = text_of(replace(content, decision=fakes.decision(reason="because", **changes)))
    assert verdict in text
    assert text.index(verdict) < text.index("In short")


def test_checks_and_gains_are_listed(content):
    text = text_of(content)
    assert "passed gain in mAP 0.041, with 95 % confidence" in text
    assert "failed AP of cat 0.200 where at least 0.300 is asked." in text
    assert "cannot tell latency not measured on this device." in text
    assert "mAP, all classes 0.371 0.412 +0.041 +0.01 to +0.07 better" in text
    assert "trained on" not in text
    text = text_of(replace(content, comparison=fakes.comparison(left_out=2)))
    assert "Left out here: 2 images that the model in use was trained on" in text


def test_the_verdict_on_a_gain_depends_on_its_interval():
    classes = {"up": (0.01, 0.2), "down": (-0.2, -0.01), "touches": (0.0, 0.2), "both": (-0.1, 0.1)}
    per_class = {
        name: fakes.gain(0.4, 0.4, 0).model_copy(update={"ci95": ends, "gain": sum(ends) / 2})
        for name, ends in classes.items()
    }
    words = {one.name: one.word for one in gains(fakes.comparison(per_class=per_class))[2:]}
    assert words == {"down": "worse", "both": "cannot tell", "touches": "cannot tell", "up": "better"}
    assert list(words) == ["down", "both", "touches", "up"]


def test_a_first_model_has_no_champion(content):
    decision = fakes.decision(reason="First model.", champion_version=None, champion_map=None, checks=())
    text = text_of(replace(content, decision=decision, comparison=None))
    assert f"{MISSING} No champion to compare with." in text


# Mistakes -------------------------------------------------------------------------------------------


def test_confusions_name_classes_and_shade_by_share_of_the_row():
    matrix = confusions([[6, 2, 0], [0, 1, 1], [3, 0, 0]], ("cat", "dog"))
    assert matrix.columns == ["cat", "dog", "not found"]
    assert [name for name, _ in matrix.rows] == ["cat", "dog", "nothing labelled"]
    assert [[cell.style for cell in cells] for _, cells in matrix.rows] == [
        ["h5", "m2", ""],
        ["", "h4", "m4"],
        ["m6", "", ""],
    ]
    assert matrix.top == [("cat", "dog", 2, 8)]
    assert (matrix.false_negatives, matrix.false_positives) == (1, 3)


def test_large_matrices_are_closed_and_number_their_columns(content):
    for count, is_open in ((25, True), (26, False)):
        text = render(ReportContent("t", fakes.evaluation(fakes.class_names(count))))
        assert ("<details open>\n<summary>Confusion matrix" in text) == is_open
        assert ('title="dog" aria-label="dog" data-csv="dog">2</th>' in text) != is_open


def test_kinds_of_error_have_plain_words_and_their_share_of_the_highest_cost():
    shares = [ErrorShare(kind="Miss", count=4, ap50_cost=0.2), ErrorShare(kind="Dupe", count=9, ap50_cost=-0.05)]
    rows = [(name, share.count, percent) for name, _, share, percent in errors(shares)]
    assert rows == [("False negative (missed)", 4, 100.0), ("Duplicate", 9, 0.0)]
    assert errors([ErrorShare(kind="Miss", count=0, ap50_cost=0.0)])[0][3] == 0.0


def test_mistakes_that_cost_nothing_alone_are_counted_all_the_same(content):
    evaluation = content.evaluation
    shares = (ErrorShare(kind="Miss", count=4, ap50_cost=0.0), ErrorShare(kind="Bkg", count=3, ap50_cost=-0.01))
    analysis = evaluation.analysis.model_copy(update={"errors": shares})
    text = text_of(replace(content, evaluation=evaluation.model_copy(update={"analysis": analysis})))
    assert "No kind of mistake alone costs anything of mAP50; there are 7 in all." in text
    assert "What costs most of mAP50: false negative (missed) 0.121, loose box 0.082, wrong class 0.030." in text_of(
        content
    )


@pytest.mark.parametrize(
    ("gap", "words"),
    [(0.1, "surer than it should be"), (-0.04, "can be read as"), (-0.1, "right more often than its scores say")],
)
def test_calibration_in_words(gap, words):
    calibration = fakes.calibration()
    bins = [
        one if one.score is None else one.model_copy(update={"precision": min(1, one.score - gap)})
        for one in calibration.bins[:-1]
    ]
    changed = calibration.model_copy(update={"bins": tuple(bins), "ece": 0.012})
    text = calibration_in_words(changed, 0.0)
    assert words in text
    assert f"differ by {abs(gap):.3f} on average (0.012 over all detections, the ECE)" in text
    empty = calibration.model_copy(update={"bins": [one.model_copy(update={"count": 0}) for one in bins]})
    assert "no detections" in calibration_in_words(empty, 0.0)


def test_calibration_is_judged_above_the_threshold():
    """Four thousand weak boxes that are as wrong as they say hide that the strong ones are right more often."""

    def one(low, count, precision):
        return CalibrationBin(low=low, high=low + 0.1, count=count, score=low + 0.05, precision=precision)

    calibration = Calibration(ece=0.01, bins=(one(0.0, 4000, 0.05), one(0.5, 10, 0.9), one(0.7, 10, 1.0)))
    assert "differ by 0.300 on average" in calibration_in_words(calibration, 0.4)
    assert "right more often" in calibration_in_words(calibration, 0.4)
    assert "can be read as" in calibration_in_words(calibration, 0.0)


# Curves ---------------------------------------------------------------------------------------------


def test_curves_have_words_text_and_the_best_epoch(content):
    page = Page(render(content))
    labels = page.values("svg", "aria-label")
    assert labels[2] == "mAP over epoch 1 to 3: mAP from 0.100 to 0.370; mAP50 from 0.150 to 0.555; best 3."
    assert labels[0].startswith("Precision, recall and F1 over threshold 0 to 1: precision from 0.200 to 1.000;")
    assert labels[0].endswith("chosen: 0.412.")
    assert len(labels) == page.tags.count("svg") == 5
    assert page.text.count("best 3") == 3 + 1  # and in the facts


def test_points_of_a_chart_are_at_their_values():
    chart = Chart("c", "t", "epoch", [1, 2, 3], [Series("s", [0.0, 1.0, 0.5])], y_top=2.0)
    # The plot is 362 wide from 46, and 198 high from 10.
    assert '<polyline points="46.0,208.0 227.0,109.0 408.0,158.5"/>' in draw_chart(chart)
    assert chart.data["values"] == [[0.0, 1.0, 0.5]]


@pytest.mark.parametrize(
    ("low", "high", "max_count", "expected"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (1, 50, 6, [10, 20, 30, 40, 50]),
        (0, 0.037, 5, [0, 0.01, 0.02, 0.03]),
        (3, 3, 5, [3]),
    ],
)
def test_ticks_are_round(low, high, max_count, expected):
    assert ticks(low, high, max_count) == expected


# Images -------------------------------------------------------------------------------------------


def test_images_come_by_their_mistake_then_good_ones(content):
    shown = [(p.file_name, p.kind, p.correct, dict(p.mistakes)) for p in content.images]
    none = {"false negative": 0, "false positive": 0, "wrong class": 0, "loose box": 0}
    assert shown == [
        ("<i>worst</i>.jpg", "false negative", 0, {**none, "false negative": 1, "wrong class": 1}),
        ("bad.jpg", "false negative", 1, {**none, "false negative": 1}),
        ("good.jpg", "good", 1, none),
    ]
    first = content.images[0]
    assert first.labels_alt == "Labels of <i>worst</i>.jpg: <b>apple</b> (wrong class), pear & plum (false negative)"
    assert first.detections_alt == "Detections in <i>worst</i>.jpg: pear & plum 0.70 (wrong class)"
    assert all(jpeg.startswith(b"\xff\xd8") for p in content.images for jpeg in (p.labels_jpeg, p.detections_jpeg))


@pytest.mark.parametrize(
    ("detections", "label_mistake", "detection_mistakes"),
    [
        ([detection(1, 0, 0, 0, 20, 20)], None, [None]),
        ([detection(1, 0, 10, 0, 20, 20)], "loose box", ["loose box"]),  # IoU 200 / 600
        ([detection(1, 0, 17, 0, 20, 20)], "false negative", ["false positive"]),  # IoU 60 / 740, under 0.10
        ([detection(1, 1, 5, 0, 20, 20)], "wrong class", ["wrong class"]),  # IoU 300 / 500
        (
            [detection(1, 1, 10, 0, 20, 20)],
            "false negative",
            ["false positive"],
        ),  # another class, and loose: of nothing
        (
            [detection(1, 0, 0, 0, 20, 20), detection(1, 1, 0, 0, 20, 20)],
            None,
            [None, "false positive"],
        ),  # the label is taken
        ([detection(1, 0, 0, 0, 20, 20), detection(1, 0, 1, 0, 20, 20)], None, [None, "false positive"]),  # found twice
        # The surer one says what the label was taken for.
        (
            [detection(1, 0, 10, 0, 20, 20, score=0.6), detection(1, 1, 0, 0, 20, 20)],
            "wrong class",
            ["wrong class", "loose box"],
        ),
        ([], "false negative", []),
    ],
)
def test_kinds_of_mistakes(any_image, detections, label_mistake, detection_mistakes):
    image = labelled("one.jpg", (0, 0, 0, 20, 20))
    [image] = draw_images([image], CLASSES, detections, 0.5, any_image, 1)
    assert image.labels_alt.endswith(f"({label_mistake})" if label_mistake else CLASSES[0])
    kinds = [
        re.search(r"\(([a-z ]+)\)$", one) for one in image.detections_alt.split(": ", 1)[1].split(", ") if one != "none"
    ]
    assert [kind and kind[1] for kind in kinds] == detection_mistakes


def test_kinds_take_turns_and_the_worst_comes_first(any_image):
    one, two = (0, 0, 0, 20, 20), (0, 50, 50, 70, 70)
    images = [labelled(f"missed {n}.jpg", one, two) for n in range(5)] + [
        labelled("half.jpg", one),
        labelled("sky.jpg"),
    ]
    detections = [detection(6, 0, 10, 0, 20, 20), detection(7, 0, 5, 5, 9, 9), detection(1, 0, 0, 0, 20, 20)]
    shown = [(p.kind, p.file_name) for p in draw_images(images, CLASSES, detections, 0.5, any_image, 4)]
    assert shown == [
        ("false negative", "missed 1.jpg"),  # "missed 0" has one box found
        ("false negative", "missed 2.jpg"),
        ("false positive", "sky.jpg"),
        ("loose box", "half.jpg"),
    ]


def test_images_leave_room_for_good_ones(any_image):
    images = [labelled(f"{i}.jpg", (0, 1, 1, 9, 9)) for i in range(10)]
    detections = [detection(i, 0, 1, 1, 8, 8) for i in (1, 2, 3)]
    kinds = [p.kind for p in draw_images(images, CLASSES, detections, 0.5, any_image, 4)]
    assert kinds == ["false negative"] * 3 + ["good"]
    none = draw_images(images, CLASSES, [], 0.5, any_image, 4)
    assert [p.kind for p in none] == ["false negative"] * 4


def test_detections_at_the_edge_and_beyond_are_drawn(any_image):
    detections = [detection(1, 0, *box) for box in ([-50, -5, 10, 0], [95, 75, 90, 90])]
    shown = draw_images(IMAGES[:1], CLASSES, detections, 0.5, any_image, 1)
    assert (shown[0].mistakes["false negative"], shown[0].mistakes["false positive"]) == (1, 2)


def test_images_of_16_bits_are_not_white(tmp_path):
    Image.new("I;16", (100, 80), 100 * 256).save(tmp_path / "any.png")
    [image] = draw_images(IMAGES[2:3], CLASSES, [detection(1, 0, 0, 0, 9, 9)], 0.5, lambda i: tmp_path / "any.png", 1)
    drawn = Image.open(io.BytesIO(image.labels_jpeg))
    assert drawn.getpixel((320, 256)) == pytest.approx((100, 100, 100), abs=2)


# Suspected label errors -------------------------------------------------------------------------------------------


def test_suspected_errors_are_drawn_wherever_they_lie(any_image):
    boxes = [(0, 0, 5, 5), (90, 70, 100, 80), (0, 0, 100, 80), (-9, -9, 3, 3), (120, 90, 130, 99), (50, 40, 50, 40)]
    suspected_errors = [fakes.suspected_error("good.jpg", CLASSES[0], None, 0.9, box) for box in boxes]
    unknown = fakes.suspected_error("elsewhere.jpg", CLASSES[0], None, 0.9, boxes[0])
    drawn = draw_suspected_errors([unknown, *suspected_errors], IMAGES, CLASSES, any_image, 10)
    assert len(drawn) == 6
    assert drawn[0].alt == "Part of good.jpg, not labelled: <b>apple</b>?"
    assert len(draw_suspected_errors(suspected_errors, IMAGES, CLASSES, any_image, 2)) == 2


def test_suspected_errors_can_be_downloaded_as_csv(content):
    suspected_errors = content.evaluation.analysis.suspected_errors
    [link] = [value for value in Page(render(content)).values("a", "href") if value.startswith("data:text/csv")]
    written = base64.b64decode(link.partition(",")[2]).decode()
    assert written == suspected_errors_csv(suspected_errors)
    rows = list(csv.DictReader(written.splitlines()))
    assert rows[1] == {
        "file_name": "2.jpg", "kind": "wrong class", "labelled": "medlar", "found": "<b>apple</b>", "score": "0.870",
        "x1": "20.0", "y1": "30.0", "x2": "120.0", "y2": "150.0",
    }  # fmt: skip
    assert rows[0]["labelled"] == ""


def test_names_in_the_csv_are_no_formulas():
    [row] = csv.DictReader(
        suspected_errors_csv([fakes.suspected_error('=1,"2"', "@a", "-b", 0.9, (0, 0, 1, 1))]).splitlines()
    )
    assert (row["file_name"], row["found"], row["labelled"]) == ('\'=1,"2"', "'@a", "'-b")


def test_only_the_first_suspected_errors_are_listed(content):
    suspected_errors = tuple(
        fakes.suspected_error(f"{n}.jpg", "pear & plum", None, 0.9, (0, 0, 9, 9)) for n in range(201)
    )
    evaluation = content.evaluation
    analysis = evaluation.analysis.model_copy(update={"suspected_errors": suspected_errors})
    text = text_of(replace(content, evaluation=evaluation.model_copy(update={"analysis": analysis})))
    assert "Download all 201 as CSV" in text
    assert "The list, its first 200" in text
    assert "199.jpg missing label" in text
    assert "200.jpg" not in text


def test_a_class_that_was_never_found_says_where_it_is_cut(content):
    evaluation = content.evaluation
    unseen = ClassScore(ap=0.0, ap50=0.0, precision=0.0, recall=0.0, truths=3)
    scores = evaluation.scores.model_copy(update={"per_class": {"medlar": unseen}})
    text = text_of(replace(content, evaluation=evaluation.model_copy(update={"scores": scores})))
    assert "not one detection of that class where thresholds were chosen" in text
