"""The gallery of `nasflow relabel` as a browser sees it, opened from disk, of images whose names would be markup."""

from functools import partial

import cv2
import pytest
from selenium.webdriver.common.by import By

from tasks.evaluation.report.relabel_page import relabel_page
from tasks.evaluation.report.suspected_images import draw_suspected_image, group_by_image
from tasks.records import Box, LabelledImage, SuspectedError
from tests.browser.looking import CONTRASTS, assert_fits, image_widths, keep_screenshot, requested
from tests.fakes import bright_spots

MARKUP, LONG = "<img src=x onerror=alert(1)>.png", f"{'Donaudampfschifffahrt' * 6} #1 50%?.png"
CLASSES = ("grey", "white <b>")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("out")
    path = folder / "image.png"
    spots = [(30, 20, 80, 60), (180, 100, 60, 50)]
    path.write_bytes(cv2.imencode(".png", bright_spots.image(320, 200, spots))[1].tobytes())
    boxes = (Box(0, 30, 20, 110, 80),)
    labelled = [
        LabelledImage(file_name=name, split="test", sha256="a" * 64, size=9, width=320, height=200, boxes=boxes)
        for name in (MARKUP, LONG)
    ]
    errors = [
        SuspectedError(file_name=MARKUP, kind="wrong class", found=CLASSES[1], labelled="grey", score=0.97,
                       box=(31, 21, 110, 80)),
        SuspectedError(file_name=LONG, kind="missing label", found="grey", labelled=None, score=0.8,
                       box=(180, 100, 240, 150)),
        SuspectedError(file_name=MARKUP, kind="missing label", found="grey", labelled=None, score=0.7,
                       box=(180, 100, 240, 150)),
    ]  # fmt: skip
    images = group_by_image(errors, labelled)
    files = [f"{number} 50%.jpg" for number, _ in enumerate(images)]
    for image, file in zip(images, files, strict=True):
        (folder / file).write_bytes(draw_suspected_image(image, CLASSES, path))
    for file in ("relabel.json", "suspected_errors.csv"):
        (folder / file).write_text("")
    (folder / "index.html").write_text(relabel_page("pets/1", "the test split", images, files), encoding="utf-8")
    return folder / "index.html"


@pytest.fixture
def show(open_page, page):
    """Opens the gallery at a width, with a colour scheme."""
    return partial(open_page, page)


def test_it_asks_for_files_of_its_folder_alone_and_logs_nothing(show, page):
    browser = show()
    assert [name for name in requested(browser) if not name.startswith(page.parent.as_uri())] == []
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.scripts.length") == 0


def test_names_are_text_and_each_image_is_shown_once_with_all_that_is_suspected(show):
    browser = show()
    text = browser.find_element(By.TAG_NAME, "main").text
    for words in (MARKUP, LONG, "labelled grey: white <b>? (score 0.97)", "not labelled: grey? (score 0.70)"):
        assert words in text
    assert browser.find_elements(By.CSS_SELECTOR, "[onerror], li b") == []
    widths = image_widths(browser)
    assert len(widths) == 2
    assert min(widths) == 640


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_it_fits_the_width(show, width):
    browser = show(width)
    assert_fits(browser, width)
    keep_screenshot(browser, f"relabel-{width}", whole=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(show, scheme):
    browser = show(scheme=scheme)
    assert min(browser.execute_script(CONTRASTS)) >= [4.5, ""]
