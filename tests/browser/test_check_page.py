"""The page of `nasflow check --report` as a browser sees it, of an export whose names would be markup."""

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tests.browser.looking import assert_fits, keep_screenshot, requested
from tests.fakes.formats import write_in

MARKUP, QUOTES = "<b>x</b>", "\"quote'"
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
CLASSES = (MARKUP, QUOTES, LONG, *(f"class {number}" for number in range(60)))
TINY, DROPPED, TWIN = "<img src=x onerror=alert(1)>.jpg", "Zaunkönig & Grünfink.jpg", "twin.jpg"
SOUND = [f"sound {number}.jpg" for number in range(10)]
SPLITS = {
    "train": {
        TINY: [(MARKUP, 10, 10, 50, 40), (QUOTES, 60, 60, 62, 62)],
        DROPPED: [(MARKUP, 10, 10, 50, 40), (QUOTES, 5, 5, 5, 9)],
        TWIN: [(LONG, 20, 20, 60, 60)],
        **{name: [(MARKUP, 10, 10, 50, 40)] for name in SOUND},
    },
    "valid": {"of twin.jpg": [(QUOTES, 20, 20, 60, 60)], "valid.jpg": [(MARKUP, 20, 20, 60, 60)]},
}
CONTRASTS = """
const parts = colour => colour.match(/[\\d.]+/g).map(Number);
const light = colour => {
    const [red, green, blue] = parts(colour).map(value => value / 255)
        .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};
const behind = element => {
    for (; element; element = element.parentElement) {
        const colour = getComputedStyle(element).backgroundColor;
        if ((parts(colour)[3] ?? 1) === 1) return colour;
    }
    return "rgb(255, 255, 255)";
};
return [...document.querySelectorAll("main *")]
    .filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))
    .map(element => {
        const [dark, bright] = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => a - b);
        return [(bright + 0.05) / (dark + 0.05), element.outerHTML.slice(0, 80)];
    });
"""
"""Contrast of each text with what is behind it, as WCAG counts it."""


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("check")
    export = write_in("coco", folder / "export", SPLITS, CLASSES)
    (export / "valid" / "of twin.jpg").write_bytes((export / "train" / TWIN).read_bytes())
    nasflow = Path(sys.executable).with_name("nasflow")
    subprocess.run([nasflow, "check", export, "--report", folder / "page.html"], check=True, capture_output=True)
    return folder / "page.html"


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """The page of an export with errors."""
    folder = tmp_path_factory.mktemp("faulty")
    export = write_in("coco", folder / "export")
    (export / "train" / "b.jpg").write_bytes(b"no image")
    nasflow = Path(sys.executable).with_name("nasflow")
    done = subprocess.run(
        [nasflow, "check", export, "--report", folder / "page.html"], check=False, capture_output=True
    )
    assert done.returncode == 2
    return folder / "page.html"


@pytest.fixture
def show(open_page, page):
    """Opens a page at a width, for a medium, with a colour scheme."""
    return lambda width=1200, page=page, **look: open_page(page, width, **look)


def section(browser, heading):
    [found] = browser.find_elements(By.XPATH, f"//section[h2[text()='{heading}']]")
    return found


def cells(table):
    return [
        [cell.text for cell in row.find_elements(By.XPATH, "./*")] for row in table.find_elements(By.TAG_NAME, "tr")
    ]


def test_it_asks_for_nothing_and_logs_nothing(show):
    browser = show()
    assert requested(browser) == []
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.scripts.length") == 0


def test_names_are_text(show):
    browser = show()
    text = browser.find_element(By.TAG_NAME, "main").text
    assert {name for name in (MARKUP, QUOTES, LONG, TINY, DROPPED) if name not in text} == set()
    assert browser.find_elements(By.CSS_SELECTOR, "[onerror], b") == []


def test_all_images_are_shown_and_described(show):
    browser = show()
    images = browser.execute_script("return [...document.images].map(image => [image.naturalWidth, image.alt])")
    assert len(images) == 4 + 15  # those with a finding, and the contact sheet of all
    assert {width for width, _ in images} == {400}
    assert f"{TINY} with boxes: 1 {MARKUP}, 1 {QUOTES}" in {alt for _, alt in images}
    assert all(alt for _, alt in images)


def test_12_classes_have_a_colour_each_and_the_page_says_that_the_others_are_grey(show):
    table = section(show(), "Classes")
    assert "the other 51 share grey, and each of their boxes has its name" in table.text
    keys = [key.value_of_css_property("color") for key in table.find_elements(By.CLASS_NAME, "key")]
    assert len(keys) == 63
    assert len(set(keys)) == 13
    assert keys.count(keys[-1]) == 51


def test_the_contact_sheet_says_what_the_network_sees(show):
    sheet = section(show(), "Contact sheet")
    assert "scaled to 640 pixels on the longest side, and padded with grey on the right and below" in sheet.text
    shapes = "return [...arguments[0].querySelectorAll('img')].map(one => one.naturalWidth + 'x' + one.naturalHeight)"
    assert set(sheet.parent.execute_script(shapes, sheet)) == {"400x400"}


@pytest.mark.parametrize("width", [390, 1200])
def test_letters_on_images_are_10_pixels_or_more(show, width):
    """They are drawn with 14 pixels; an image of 400 pixels is never shown much smaller."""
    browser = show(width)
    shown = browser.execute_script("return [...document.images].map(one => one.clientWidth / one.naturalWidth)")
    assert min(shown) * 14 >= 9.5
    keep_screenshot(browser, f"check-{width}")


def test_each_flagged_image_is_there_once_with_its_reasons(show):
    flagged = {}
    for figure in section(show(), "Flagged images").find_elements(By.TAG_NAME, "figure"):
        place = figure.find_element(By.CLASS_NAME, "place").text
        assert place not in flagged
        flagged[place] = [item.text for item in figure.find_elements(By.CSS_SELECTOR, ".reasons li")]
    assert flagged == {
        f"train/{TINY}": ["box-tiny: [60, 60, 2, 2]"],
        f"train/{DROPPED}": ["box-dropped: [5, 5, 0, 4]"],
        f"train/{TWIN}": ["leak-identical: valid/of twin.jpg"],
        "valid/of twin.jpg": [f"leak-identical: train/{TWIN}"],
    }


def test_findings_are_listed_with_how_grave_they_are(show):
    items = section(show(), "What was found").find_elements(By.CSS_SELECTOR, ".findings > li")
    found = [
        (item.find_element(By.TAG_NAME, "h3").text, item.find_element(By.CLASS_NAME, "badge").text) for item in items
    ]
    assert ("box-tiny", "warning") in found
    assert ("root-category", "info") in found
    assert [grave for _, grave in found if grave == "error"] == []


def test_classes_and_sizes_are_counted(show):
    browser = show()
    _, *rows = cells(section(browser, "Classes"))
    assert len(rows) == 63
    assert rows[:4] == [
        [MARKUP, "12", "1", "13", "13"],
        [QUOTES, "1", "1", "2", "2"],
        [LONG, "1", "0", "1", "1"],
        ["class 0", "0", "0", "0", "0"],
    ]
    # What is used adds up to the classes; one box of train is listed and invalid.
    assert cells(section(browser, "Splits"))[1:] == [
        ["train", "13", "14", "0", "13", "15"], ["valid", "2", "2", "0", "2", "2"],
    ]  # fmt: skip
    boxes, images = section(browser, "Sizes").find_elements(By.TAG_NAME, "table")
    # Sides of 40 x 30, 40 x 40 and 2 x 2 in an image of 100 x 80: 39, 45 and 2 %.
    assert cells(boxes)[1:] == [
        ["under 3 %", "1"], ["3 to 10 %", "0"], ["10 to 30 %", "0"], ["30 to 60 %", "15"], ["60 % and more", "0"],
    ]  # fmt: skip
    assert cells(images)[1:] == [["100 x 80", "15"]]


@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_it_fits_the_width(show, width):
    browser = show(width)
    assert_fits(browser, width)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("medium", ["screen", "print"])
def test_all_text_can_be_read(show, faulty, medium, scheme):
    browser = show(medium=medium, scheme=scheme, page=faulty)
    assert "Cannot be trained on as it is" in browser.find_element(By.CLASS_NAME, "verdict").text
    assert min(browser.execute_script(CONTRASTS)) >= [4.5, ""]
    browser = show(medium=medium, scheme=scheme)
    assert min(browser.execute_script(CONTRASTS)) >= [4.5, ""]
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (medium == "print")


def test_nothing_is_cut_off_in_print(show):
    browser = show(width=720, medium="print")
    clipped = "return [...document.querySelectorAll('.scroll')].map(one => getComputedStyle(one).overflowX)"
    assert set(browser.execute_script(clipped)) == {"visible"}


def test_headings_are_in_order(show):
    levels = show().execute_script("return [...document.querySelectorAll('h1, h2, h3')].map(one => +one.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_keyboards_focus_is_seen(show):
    browser = show()
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    outline = browser.execute_script(
        "const style = getComputedStyle(document.activeElement);"
        "return [document.activeElement.tagName, style.outlineStyle, parseFloat(style.outlineWidth)]"
    )
    assert outline == ["DIV", "solid", 2]
