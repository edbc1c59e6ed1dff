"""The report page as a browser sees it: it asks for nothing, and fits a phone."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By


@pytest.fixture(scope="session")
def page(tmp_path_factory):
    """The page of `nasflow score` for a class whose name would be HTML."""
    folder = tmp_path_factory.mktemp("score")
    truth = {
        "images": [{"id": n, "file_name": f"{n}.jpg", "width": 100, "height": 100} for n in (1, 2)],
        "categories": [{"id": 1, "name": "<b>cat</b>"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": n, "image_id": n, "category_id": n, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0}
            for n in (1, 2)
        ],
    }
    found = [{"image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 50], "score": 0.9}]
    (folder / "truth.json").write_text(json.dumps(truth))
    (folder / "found.json").write_text(json.dumps(found))
    nasflow = Path(sys.executable).with_name("nasflow")
    arguments = ["--truth", folder / "truth.json", "--detections", folder / "found.json", "--out", folder]
    subprocess.run([nasflow, "score", *arguments], check=True, capture_output=True)
    return folder / "report.html"


def test_it_asks_for_nothing_and_logs_nothing(browser, page):
    browser.get_log("browser")
    browser.get(page.as_uri())
    requests = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in requests if not name.startswith("data:")] == []
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_class_names_are_text(browser, page):
    browser.get(page.as_uri())
    assert "<b>cat</b>" in browser.find_element(By.TAG_NAME, "body").text


@pytest.mark.parametrize("width", [390, 1300])
def test_it_fits_the_width(browser, page, width):
    browser.set_window_size(width, 900)
    browser.get(page.as_uri())
    try:
        overflow = browser.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
    finally:
        browser.set_window_size(1300, 2600)
    assert overflow <= 0
