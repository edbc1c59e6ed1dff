"""The gallery of `nasflow suggest` as a browser sees it, opened from disk, of images whose names would be markup."""

from functools import partial

import cv2
import pytest
from selenium.webdriver.common.by import By

from deployments.offline.suggest import Chosen, write_results
from tasks.detection.candidates import look_at
from tasks.detection.image_files import find_images
from tasks.suggestion.choice import choose
from tasks.suggestion.measures import ModelFacts
from tests.browser.looking import CONTRASTS, assert_fits, image_widths, keep_screenshot, requested
from tests.fakes import bright_spots

MARKUP, LONG = "<img src=x onerror=alert(1)>.png", f"{'Donaudampfschifffahrt' * 6} #1 50%?.png"
FACTS = ModelFacts(0.5, {"grey": 400, "white": 8})


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder, images = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("images")
    for name, spots in ((MARKUP, [(30, 20, 80, 60)]), (LONG, [(30, 20, 80, 60), (180, 100, 60, 50)]), ("none.png", [])):
        (images / name).write_bytes(cv2.imencode(".png", bright_spots.image(320, 200, spots))[1].tobytes())
    (images / "again.png").write_bytes((images / LONG).read_bytes())
    (images / "broken <i>.jpg").write_text("no image")
    detector = bright_spots.detector()
    looked = look_at(detector, find_images([str(images)]), lambda done, count: None)
    chosen = Chosen(
        "<b>pets</b>/1", detector.runtime.model.classes, FACTS, looked, choose(looked.candidates, [], FACTS, 3)
    )
    write_results(chosen, [str(images)], folder)
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


def test_names_and_reasons_are_text_and_images_are_shown(show):
    browser = show()
    browser.find_element(By.TAG_NAME, "summary").click()
    text = browser.find_element(By.TAG_NAME, "main").text
    for words in (
        MARKUP, "What to label next for <b>pets</b>/1", "broken <i>.jpg: not an image",
        f"again.png: twice, like {LONG}",
        "rare class: white has 8 labelled boxes, the most frequent class 400", "just above the threshold 0.5",
    ):  # fmt: skip
        assert words in text
    assert browser.find_elements(By.CSS_SELECTOR, "[onerror], h1 b, i") == []
    assert image_widths(browser) == [320] * 3
    assert [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".figures dd")] == ["3", "1", "1"]


def test_links_lead_to_the_files_and_the_annotated_images(show, page):
    browser = show()
    for link in browser.find_elements(By.CSS_SELECTOR, ".soft a"):
        assert (page.parent / link.text).as_uri() == link.get_attribute("href")
        assert (page.parent / link.text).is_file()
    browser.find_element(By.CSS_SELECTOR, ".sheet a").click()
    assert browser.execute_script("return document.contentType") == "image/jpeg"
    assert "/annotated/" in browser.current_url


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_it_fits_the_width(show, width):
    browser = show(width)
    assert_fits(browser, width)
    keep_screenshot(browser, f"suggest-{width}", whole=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(show, scheme):
    browser = show(scheme=scheme)
    assert min(browser.execute_script(CONTRASTS)) >= [4.5, ""]
