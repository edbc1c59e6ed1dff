"""The gallery of `nasflow detect` as a browser sees it, opened from disk, of images whose names would be markup."""

from functools import partial

import cv2
import pytest
from selenium.webdriver.common.by import By

from tasks.detection.image_files import find_images
from tasks.detection.outputs.gallery import IMAGES_PER_PAGE
from tasks.detection.run import detect_images
from tests.browser.looking import CONTRASTS, assert_fits, image_widths, keep_screenshot, requested
from tests.fakes import bright_spots

MARKUP, LONG = "<img src=x onerror=alert(1)>.png", f"{'Donaudampfschifffahrt' * 6} #1 50%?.png"
ORDINARY = IMAGES_PER_PAGE + 5


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder, images = tmp_path_factory.mktemp("out"), tmp_path_factory.mktemp("images")
    for name in (MARKUP, LONG, *(f"n{number:03d}.png" for number in range(ORDINARY))):
        spots = [(30, 20, 80, 60), (180, 100, 60, 50)] if name != "n000.png" else []
        pixels = bright_spots.image(320, 200, spots[:1])
        pixels[100:150, 180:240] = 200 if spots else 20
        (images / name).write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    (images / "broken <i>.jpg").write_text("no image")
    sources = find_images([str(images)])
    detect_images(bright_spots.detector(), sources, folder, "Detections of <b>pets</b>/1", lambda done, count: None)
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


def test_names_are_text_and_images_are_shown_and_described(show):
    browser = show()
    text = browser.find_element(By.TAG_NAME, "main").text
    for name in (MARKUP, LONG, "Detections of <b>pets</b>/1", "broken <i>.jpg: not an image"):
        assert name in text
    assert browser.find_elements(By.CSS_SELECTOR, "[onerror], b, i:not(.bar i)") == []
    assert image_widths(browser) == [320] * IMAGES_PER_PAGE
    described = {image.get_attribute("alt") for image in browser.find_elements(By.TAG_NAME, "img")}
    assert f"{MARKUP}: 1 grey, 1 white" in described
    assert "n000.png: nothing detected" in described


def test_counts_are_those_of_all_images(show):
    browser = show()
    figures = [one.text for one in browser.find_elements(By.CSS_SELECTOR, ".figures dd")]
    images = ORDINARY + 2
    assert figures == [str(2 * (images - 1)), str(images), "1"]
    rows = [row.text.split() for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr")]
    assert rows == [["grey", str(images - 1)], ["white", str(images - 1)]]


def test_links_lead_to_the_other_page_the_files_and_the_annotated_images(show, page):
    browser = show()
    browser.find_element(By.CSS_SELECTOR, ".pages a").click()
    assert browser.find_element(By.ID, "images").text == "Images, page 2 of 2"
    assert len(browser.find_elements(By.TAG_NAME, "img")) == ORDINARY + 2 - IMAGES_PER_PAGE
    for link in browser.find_elements(By.CSS_SELECTOR, ".soft a"):
        assert (page.parent / link.text).as_uri() == link.get_attribute("href")
    browser.find_element(By.CSS_SELECTOR, ".sheet a").click()
    assert browser.execute_script("return [document.contentType, document.images[0].naturalWidth]") == [
        "image/jpeg", 320,
    ]  # fmt: skip
    assert "/images/" in browser.current_url


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_it_fits_the_width(show, width):
    browser = show(width)
    assert_fits(browser, width)
    keep_screenshot(browser, f"detect-{width}", whole=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(show, scheme):
    browser = show(scheme=scheme)
    assert min(browser.execute_script(CONTRASTS)) >= [4.5, ""]
