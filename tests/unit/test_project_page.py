"""The project's page: all of the records is there, escaped, counted where left out, and the same every time."""

import base64
import hashlib
import json
import re
from dataclasses import replace

import pytest

from tasks.promotion.page.charts import labels_chart, versions_chart
from tasks.promotion.page.content import ProjectContent
from tasks.promotion.page.page import render
from tasks.promotion.page.tables import verdict_in_words, version_rows, versions_in_words
from tasks.promotion.page_in_store import count_labels
from tasks.records import Box, DatasetSnapshot, LabelledImage, LabelSource, StoredFile
from tasks.rendering.pages import MISSING
from tasks.rendering.svg import draw_chart
from tests.fakes import projects as fakes
from tests.fakes.html import Page

HOSTILE = ("</script><script>alert(1)</script>", "<!--", "\u2028\u2029", "\"'`", "{{ 7 * 7 }}")


def text_of(content):
    return Page(render(content)).text


def three(**changes):
    """Three versions: one promoted by the gate, one kept, one promoted by a person and rolled back."""
    versions = [
        fakes.version(1),
        fakes.version(2, decision=fakes.decision(promote=False, verdict="keep")),
        fakes.version(3, decision=fakes.decision(verdict="keep", overridden="looked at all images")),
    ]
    moves = [
        fakes.move(1, "First model."),
        fakes.move(3, "looked at all images", "Ada"),
        fakes.move(1, "misses dogs at night", "Grace", rolled_back=3),
    ]
    values = {
        "project": "pets", "versions": versions, "alias": fakes.alias(moves),
        "labels": {1: fakes.labels(100, "a"), 2: fakes.labels(120, "a"), 3: fakes.labels(150, "b", 55)},
    }  # fmt: skip
    return ProjectContent(**{**values, **changes})


# The page itself ----------------------------------------------------------------------------------


def test_page_is_whole_and_needs_nothing_else():
    text = render(three())
    page = Page(text)
    allowed = re.compile(r"data:|#|00000[123]/(card\.json|[0-9a-f]{16}-report\.html)$")
    links = [value or "" for _, name, value in page.attributes if name in ("src", "href", "xlink:href")]
    assert [value for value in links if not allowed.match(value)] == []
    assert [name for _, name, _ in page.attributes if name.startswith("on")] == []
    assert re.findall(r'https?://(?!www\.w3\.org/2000/svg")', text) == []
    assert re.findall(r"@import|url\(", text) == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.values("section", "aria-labelledby")) <= set(page.ids)
    assert set(page.values("button", "data-table")) == set(page.values("table", "id"))


def test_the_only_script_is_named_by_its_hash():
    page = Page(render(three()))
    data, script = page.scripts
    policy = next(value for value in page.values("meta", "content") if "default-src" in value)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'; ")
    assert list(json.loads(data)["charts"]) == ["versions", "labels"]


def test_same_content_gives_the_same_page():
    assert render(three()) == render(three())


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_and_reasons_stay_text(name):
    moves = [fakes.move(1, f"why {name}", f"by {name}")]
    text = render(three(versions=[fakes.version(1, classes=(name, "dog"))], alias=fakes.alias(moves)))
    page = Page(text)
    assert text.count("<script") == text.count("</script>") == len(page.scripts) == 2
    assert "<!--" not in text
    assert page.scripts[0].isascii()
    for words in (name, f"why {name}", f"by {name}"):
        assert " ".join(words.split()) in page.text


@pytest.mark.parametrize("key", ["models/pets/javascript:alert(1)", 'models/pets/000001/"><b>.html', "runs/1/a b.html"])
def test_a_link_is_an_address_beside_the_page_whatever_the_key(key):
    version = fakes.version(1, report=StoredFile(key=key, sha256="0" * 64, size=1))
    addresses = Page(render(three(versions=[version]))).values("a", "href")
    safe = {
        "models/pets/javascript:alert(1)": "javascript%3Aalert%281%29",
        "runs/1/a b.html": "../../runs/1/a%20b.html",
    }
    assert safe.get(key, "000001/%22%3E%3Cb%3E.html") in addresses


# What it says -------------------------------------------------------------------------------------


def test_the_champion_is_above_everything_with_since_when_why_and_its_numbers():
    text = text_of(three())
    assert "pets 3 published versions, the latest of 2026-03-22." in text
    assert "Version 1 champion since 2026-03-08 11:30 UTC" in text
    assert "mAP 0.300 95 %: 0.240 to 0.350 on the test split" in text
    assert "Confidence threshold 0.410 chosen for balance" in text
    assert "Brought back by Grace misses dogs at night" in text
    assert text.index("Brought back by Grace") < text.index("mAP over time")


def test_a_champion_of_the_gate_says_so():
    assert "Promoted by the gate First model." in text_of(three(alias=fakes.alias([fakes.move(1, "First model.")])))


def test_versions_are_listed_newest_first_with_verdict_and_alias():
    rows = version_rows(three())
    assert [(row.version, row.verdict, row.alias) for row in rows] == [
        (3, "promoted on request", "rolled back"),
        (2, "not promoted", ""),
        (1, "promoted", "champion"),
    ]
    text = text_of(three())
    assert "3 rolled back 0.478 0.42 to 0.53 promoted on request 150 test, 55 images 2 2026-03-22 report" in text
    for command in ("nasflow report pets 3", "nasflow models card pets/3", "nasflow models page pets"):
        assert command in text


@pytest.mark.parametrize(
    ("changes", "words", "tone"),
    [
        ({}, "promoted", "yes"),
        ({"verdict": "keep", "overridden": "why"}, "promoted on request", "yes"),
        ({"promote": False, "verdict": "keep"}, "not promoted", "no"),
        ({"promote": False, "verdict": "cannot tell"}, "not promoted: cannot tell", "unsure"),
        ({"verdict": "cannot tell", "answer": "promote"}, "promoted, as was answered", "yes"),
        ({"promote": False, "verdict": "cannot tell", "answer": "keep"}, "not promoted, as was answered", "no"),
        ({"promote": False, "verdict": "cannot tell", "answer": "none"}, "not promoted, nobody answered", "unsure"),
    ],
)
def test_the_verdict_in_words(changes, words, tone):
    assert verdict_in_words(fakes.decision(**changes)) == (words, tone)


def test_the_history_has_who_when_and_why_newest_first():
    text = text_of(three())
    rows = [
        "1 2026-03-08 11:30 back to it: version 3 was rolled back Grace misses dogs at night",
        "3 2026-03-22 11:30 promoted Ada looked at all images",
        "1 2026-03-08 11:30 promoted the gate First model.",
    ]
    places = [text.index(row, text.index("History of the champion")) for row in rows]
    assert places == sorted(places)


def test_the_classes_of_the_champion_come_worst_first():
    text = text_of(three())
    dog, cat = "dog 10 0.280 0.180 to 0.380 0.280", "cat 9 0.300 0.200 to 0.400 0.300"
    assert text.index(dog) < text.index(cat)


# Which scores can be compared ---------------------------------------------------------------------


def test_versions_on_other_images_are_marked_and_not_joined():
    content = three()
    assert content.image_sets == {1: 1, 2: 1, 3: 2}
    assert "They were measured on 2 different sets of images: scores of different sets cannot be compared." in text_of(
        content
    )
    chart = versions_chart(content)
    assert chart.joined == [[0, 1]]
    assert draw_chart(chart).count('class="joined"') == 1
    same = {number: fakes.labels(100 + number, "a") for number in (1, 2, 3)}
    assert "All were measured on the same images, so their scores can be compared." in text_of(three(labels=same))


def test_lost_labels_are_named_and_make_a_set_of_their_own():
    content = three(labels={3: fakes.labels(150, "b", 55)})
    assert content.image_sets == {1: 1, 2: 2, 3: 3}
    text = text_of(content)
    assert (
        "Not in the chart by training images, because the labels are not in the store any more: versions 1 to 2."
        in text
    )
    assert f"2 0.421 0.36 to 0.47 not promoted {MISSING} test, labels gone 2 2026-03-15" in text
    assert [dot.x for dot in labels_chart(content).dots] == [150]
    assert labels_chart(three(labels={})) is None
    render(three(labels={}))


def snapshot(*images, classes=("cat", "dog")):
    made = tuple(
        LabelledImage(
            file_name=name,
            split=split,
            sha256=sha * 64,
            size=1,
            width=9,
            height=9,
            boxes=tuple(Box(*box) for box in boxes),
        )
        for name, split, sha, boxes in images
    )
    return DatasetSnapshot(classes=classes, images=made, source=LabelSource(kind="file", name="x"))


def test_labels_are_counted_and_measured_images_recognised_by_bytes_and_boxes():
    train: tuple[str, str, str, list] = ("t.jpg", "train", "1", [])
    first = snapshot(train, ("a.jpg", "test", "2", [(0, 1, 1, 5, 5), (1, 0, 0, 3, 3)]), ("b.jpg", "test", "3", []))
    counted = count_labels(first, "test")
    assert (counted.training_images, counted.measured_images) == (1, 2)
    digest = counted.measured_digest
    # More to train on, other names, another order of images, boxes and classes: the same to measure on.
    more = snapshot(
        train, ("u.jpg", "train", "4", []), ("B.jpg", "test", "3", []),
        ("A.jpg", "test", "2", [(0, 0, 0, 3, 3), (1, 1, 1, 5, 5)]), classes=("dog", "cat"),
    )  # fmt: skip
    assert count_labels(more, "test").measured_digest == digest
    for other in (
        snapshot(train, ("a.jpg", "test", "2", [(1, 1, 1, 5, 5), (1, 0, 0, 3, 3)]), ("b.jpg", "test", "3", [])),
        snapshot(train, ("a.jpg", "test", "2", [(0, 1, 1, 5, 5), (1, 0, 0, 3, 3)])),
        snapshot(train, ("a.jpg", "test", "2", [(0, 1, 1, 5, 6), (1, 0, 0, 3, 3)]), ("b.jpg", "test", "3", [])),
    ):
        assert count_labels(other, "test").measured_digest != digest


def test_scores_by_another_scoring_are_another_set():
    older, newer = fakes.version(1), fakes.version(2, scoring=1)
    labels = {1: fakes.labels(100, "a"), 2: fakes.labels(100, "a")}
    same = three(versions=[older, fakes.version(2)], labels=labels)
    assert same.image_sets == {1: 1, 2: 1}
    assert [row.measured for row in version_rows(same)] == ["test, 40 images"] * 2
    other = three(versions=[older, newer], labels=labels)
    assert other.image_sets == {1: 1, 2: 2}
    assert [row.measured for row in version_rows(other)] == ["test, 40 images, scoring 1", "test, 40 images, scoring 0"]
    assert "in 2 different ways, on other images or by another scoring: scores of different sets cannot" in text_of(
        other
    )


# Few and many -------------------------------------------------------------------------------------


def test_a_project_without_versions_says_so():
    text = text_of(ProjectContent("pets", [], None, {}))
    assert "No published version yet." in text
    assert text.count("No version was promoted yet.") == 2


def test_one_version_that_nobody_promoted():
    version = fakes.version(1, decision=fakes.decision(promote=False, verdict="keep"))
    text = text_of(three(versions=[version], alias=None, labels={}))
    assert "1 published version, the latest of" in text
    assert f"{MISSING} No version was promoted yet." in text
    assert "There is one version so far." in text
    assert "Classes of the champion" not in text


def test_a_champion_whose_card_is_gone_is_named():
    text = text_of(three(versions=[fakes.version(2)]))
    assert "Version 1 is the champion, but its card is not in the store any more." in text


def test_of_hundreds_the_latest_are_listed_the_others_counted_and_all_drawn():
    content = fakes.project(300)
    text = render(content)
    page = Page(text)
    assert len(version_rows(content)) == 50
    assert "250 older ones not in this table: versions 1 to 250." in page.text
    assert "50 older moves not in this table: nasflow models show pets lists all." in page.text
    chart = text[text.index('data-chart="versions"') :]
    assert chart[: chart.index("</svg>")].count('class="dot') == 300
    assert len(text) < 400_000


def test_all_dots_stay_inside_the_axes():
    versions = [fakes.version(1, mean=0.0), fakes.version(2, mean=1.0)]
    for chart in (versions_chart(three(versions=versions)), labels_chart(three(versions=versions))):
        assert chart is not None
        _, top, _, bottom = chart.box
        svg = draw_chart(chart)
        heights = re.findall(
            r'<line x1="[\d.-]+" x2="[\d.-]+" y1="([\d.-]+)" y2="([\d.-]+)"/><circle [^>]*cy="([\d.-]+)"', svg
        )
        assert len(heights) == 2
        assert all(top <= float(y) <= bottom for dot in heights for y in dot)
        assert "2 measured, between 0.000 and 1.000" in chart.summary


def test_a_champion_is_marked_and_drawn_on_top():
    content = replace(three(), alias=fakes.alias([fakes.move(1), fakes.move(2)]))
    svg = draw_chart(versions_chart(content))
    looks = re.findall(r'class="dot (\w+)"', svg)
    assert looks == ["hollow", "bold", "bold"]
    assert ">champion: 2</text>" in svg


@pytest.mark.parametrize(
    ("numbers", "words"),
    [([4], "version 4"), ([1, 2, 3, 7], "versions 1 to 3, 7"), ([2, 5], "versions 2, 5"), ([8, 9], "versions 8 to 9")],
)
def test_versions_in_words(numbers, words):
    assert versions_in_words(numbers) == words
