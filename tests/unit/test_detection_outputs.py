"""What detection writes: files of all images that memory does not grow with, and a folder that is whole or not."""

import csv
import fcntl
import json
import os
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.detection.outputs.files import write_coco, write_csv
from tasks.detection.outputs.folder import OUTPUTS
from tasks.detection.outputs.gallery import IMAGES_PER_PAGE, write_gallery
from tasks.detection.pipeline import in_order
from tasks.detection.results import Detection, FailedImage, ImageResult, Totals, read_lines, to_line
from tasks.detection.run import detect_images
from tasks.detection.sources import Source, Sources
from tasks.errors import BadRequest
from tasks.images.decoding import UnreadableImage
from tasks.local.output_folder import UNFINISHED, output_folder
from tests.fakes import bright_spots

CLASSES = ("cat", "dog <b>", 'eel "x"')
NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), min_size=1, max_size=20)
BOXES = st.tuples(*[st.floats(0, 1000).map(lambda value: round(value, 2))] * 4)
DETECTIONS = st.builds(Detection, st.integers(0, 2), st.floats(0, 1).map(lambda value: round(value, 5)), BOXES)
RESULTS = st.lists(
    st.builds(
        ImageResult, NAMES, st.integers(1, 5000), st.integers(1, 5000),
        st.lists(DETECTIONS, max_size=3).map(tuple), st.booleans(), NAMES,
    ),
    max_size=5,
)  # fmt: skip


def totals_of(results):
    totals = Totals(CLASSES)
    for result in results:
        totals.add(result)
    return totals


# Files -------------------------------------------------------------------------------------------


@given(RESULTS)
@settings(max_examples=40, deadline=None)
def test_lines_coco_and_csv_hold_what_was_detected(tmp_path_factory, results):
    folder = tmp_path_factory.mktemp("out")
    lines = folder / "lines"
    lines.write_text("".join(map(to_line, results)), encoding="utf-8")
    assert list(read_lines(lines)) == results

    write_coco(folder / "coco.json", read_lines(lines), CLASSES, {"description": "all"})
    coco = json.loads((folder / "coco.json").read_text(encoding="utf-8"))
    assert [category["name"] for category in coco["categories"]] == list(CLASSES)
    assert [image["file_name"] for image in coco["images"]] == [result.image for result in results]
    boxes = [(number, one.class_index + 1, one.score, list(one.bbox))
             for number, result in enumerate(results, start=1) for one in result.detections]  # fmt: skip
    assert [(a["image_id"], a["category_id"], a["score"], a["bbox"]) for a in coco["annotations"]] == boxes
    assert [a["id"] for a in coco["annotations"]] == list(range(1, len(boxes) + 1))

    write_csv(folder / "table.csv", read_lines(lines), CLASSES)
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["class"], float(row["score"]), float(row["x"])) for row in rows] == [
        (CLASSES[index - 1], score, bbox[0]) for _, index, score, bbox in boxes
    ]
    assert sorted(path.name for path in folder.iterdir()) == ["coco.json", "lines", "table.csv"]


def test_totals_count_every_class_and_name_what_failed():
    one = ImageResult("a.jpg", 9, 9, (Detection(1, 0.5, (0, 0, 1, 1)),) * 2, rotated=True)
    totals = totals_of([one, FailedImage("b.jpg", "not an image")])
    assert (totals.images, totals.detections, totals.rotated) == (1, 2, 1)
    assert totals.by_class() == {"cat": 0, "dog <b>": 2, 'eel "x"': 0}
    assert [failed.image for failed in totals.failed] == ["b.jpg"]


# Gallery -----------------------------------------------------------------------------------------


def test_a_gallery_has_a_card_an_image_and_pages_that_lead_to_each_other(tmp_path):
    found = (Detection(1, 0.5, (0, 0, 1, 1)),)
    results = [ImageResult(f"{n} #?%.png", 9, 9, found * (n % 2), annotated=f"{n} #?%.jpg") for n in range(250)]
    write_gallery(tmp_path, results, totals_of([*results, FailedImage("bad <i>", "why")]), "Title <x>", ["A fact."])
    pages = [tmp_path / "index.html", tmp_path / "pages" / "0002.html", tmp_path / "pages" / "0003.html"]
    assert sorted(tmp_path.rglob("*.html")) == sorted(pages)
    counts, shown = [], []
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "<b>" not in text
        assert "bad &lt;i&gt;" in text or page != pages[0]
        thumbnails = re.findall(r'<img src="([^"]+)"', text)
        counts.append(len(thumbnails))
        shown += [thumbnail.rpartition("/")[2] for thumbnail in thumbnails]
        for link in re.findall(r'<a href="([^"]+\.html)">', text):
            assert (page.parent / link).resolve() in pages
    assert counts == [IMAGES_PER_PAGE, IMAGES_PER_PAGE, 10]
    assert shown == [f"{number}%20%23%3F%25.jpg" for number in range(250)]


def test_a_gallery_without_images_is_a_page(tmp_path):
    write_gallery(tmp_path, [], totals_of([FailedImage("a", "why")]), "Title", [])
    assert "a: why" in (tmp_path / "index.html").read_text()


# The folder --------------------------------------------------------------------------------------


def publish(out, text="new"):
    with output_folder(out, OUTPUTS) as folder:
        (folder / "images").mkdir()
        (folder / "images" / f"{text}.jpg").write_text(text)
        (folder / "index.html").write_text(text)


def test_results_replace_those_of_the_run_before(tmp_path):
    out = tmp_path / "new" / "out"
    for text in ("first", "second"):
        publish(out, text)
        assert (out / "index.html").read_text() == text
        assert [path.name for path in (out / "images").iterdir()] == [f"{text}.jpg"]
        assert {path.name for path in out.iterdir()} == {OUTPUTS.mark, "images", "index.html"}


@pytest.mark.parametrize("names", [["notes.txt"], ["images"], ["index.html"], [OUTPUTS.mark, "notes.txt"]])
def test_a_folder_with_something_else_is_refused_and_untouched(tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("mine")
    with pytest.raises(BadRequest, match="not from `nasflow detect`"):
        publish(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == dict.fromkeys(names, "mine")


def test_a_run_that_fails_leaves_the_results_of_the_one_before(tmp_path):
    publish(tmp_path, "first")

    def fail():
        with output_folder(tmp_path, OUTPUTS) as folder:
            (folder / "index.html").write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert (tmp_path / "index.html").read_text() == "first"
    assert not (tmp_path / UNFINISHED).exists()


@pytest.mark.parametrize("published", range(len(OUTPUTS.published) + 1))
def test_after_a_kill_at_any_point_the_same_again_works(tmp_path, published):
    """A killed run leaves its unfinished folder, and some of what it published."""
    (tmp_path / OUTPUTS.mark).write_text("")
    (tmp_path / UNFINISHED / "images").mkdir(parents=True)
    for name in OUTPUTS.published[:published]:
        (tmp_path / name).write_text("old")
    publish(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {OUTPUTS.mark, "images", "index.html"}


def test_a_folder_that_another_run_writes_in_is_refused(tmp_path):
    publish(tmp_path)
    descriptor = os.open(tmp_path / OUTPUTS.mark, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        with pytest.raises(BadRequest, match="another nasflow detect writes there"):
            publish(tmp_path, "second")
    finally:
        os.close(descriptor)
    assert (tmp_path / "index.html").read_text() == "new"


def test_a_path_that_is_a_file_is_bad_input(tmp_path):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(BadRequest, match="name a folder that can be written"):
        publish(tmp_path / "out")


# All images --------------------------------------------------------------------------------------


def test_results_come_in_order_and_few_items_are_taken_ahead():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    for expected, result in enumerate(in_order(lambda number: number * 2, items(), 2)):
        assert result == expected * 2
        assert len(taken) - expected <= 9


def test_an_error_of_the_work_ends_the_run():
    def work(number):
        if number == 3:
            raise OSError("disk full")
        return number

    with pytest.raises(OSError, match="disk full"):
        list(in_order(work, range(100), 2))


def test_images_are_drawn_listed_and_named_apart(tmp_path):
    spots = [(20, 20, 60, 40)]
    pixels = bright_spots.image(320, 200, spots)

    def broken(decode):
        raise UnreadableImage("not an image")

    def whole(decode):
        return decode(_png(pixels))

    sources = [Source("a.png", whole), Source("bad.png", broken), Source("a.png", whole), Source("a.jpg", whole)]
    seen = []
    detector = bright_spots.detector()
    detected = detect_images(detector, Sources(4, sources), tmp_path, "All", lambda done, count: seen.append(done))
    assert seen == [1, 2, 3, 4]
    assert (detected.totals.images, detected.totals.detections) == (3, 3)
    assert detected.totals.failed == [FailedImage("bad.png", "not an image")]
    coco = json.loads((tmp_path / "detections.json").read_text())
    assert [image["file_name"] for image in coco["images"]] == ["a.png", "a-2.png", "a.jpg"]
    assert [tuple(one["bbox"]) for one in coco["annotations"]] == spots * 3
    for folder in ("images", "thumbnails"):
        assert sorted(path.name for path in (tmp_path / folder).iterdir()) == ["a-2.jpg", "a-3.jpg", "a.jpg"]
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"images", "thumbnails", "detections.json", "detections.csv", "index.html"}


def _png(pixels: np.ndarray) -> bytes:
    import cv2

    return cv2.imencode(".png", pixels)[1].tobytes()
