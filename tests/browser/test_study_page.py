"""The page of a study of settings as a browser sees it: it asks for nothing, and fits a phone."""

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tasks.studies.page.page import render
from tests.browser.looking import CONTRASTS, assert_fits, keep_screenshot, requested
from tests.fakes import studies as fakes

CONTENTS = {
    "grid": fakes.grid,
    "one": lambda: fakes.study([fakes.model(0.5)]),
    "cannot tell": lambda: fakes.study([fakes.model(0.02), fakes.model(0.01, 0.01, 0.01, latency_ms=None)]),
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, study in CONTENTS.items():
        (folder / f"{name}.html").write_text(render(study()), "utf-8")
    return folder


@pytest.fixture
def show(open_page, pages):
    """Opens a page at a width, for a medium, with a colour scheme."""
    return lambda name="grid", **look: open_page(pages / f"{name}.html", **look)


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


@pytest.mark.parametrize("name", CONTENTS)
def test_the_page_loads_nothing_and_logs_nothing(show, name):
    browser = show(name)
    assert requested(browser) == []
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.classList.contains('js')")


def test_reasons_are_text(show):
    browser = show()
    assert "CUDA out of memory <b>here</b>" in find(browser, "#left-out").text
    assert browser.find_elements(By.CSS_SELECTOR, "#left-out b") == []


def test_dots_answer_the_keyboard_in_the_order_of_the_axis(show):
    browser = show()
    svg = find(browser, "[data-chart='time']")
    readout = svg.find_element(By.XPATH, "./ancestor::figure").find_element(By.CLASS_NAME, "readout")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].focus()", svg)
    ActionChains(browser).send_keys(Keys.END).perform()
    assert readout.text.startswith("l, 640 px, ")
    assert readout.text.endswith("96.0 ms an image")
    ActionChains(browser).send_keys(Keys.HOME).perform()
    assert readout.text.startswith("s, 320 px, ")


def test_the_recommended_model_stands_out(show):
    browser = show()
    choice = CONTENTS["grid"]().choice
    chosen = find(browser, "#models tr.chosen")
    assert chosen.text.split()[:3] == [
        choice.settings.variant,
        str(choice.settings.image_size),
        str(choice.settings.epochs),
    ]
    assert len(browser.find_elements(By.CSS_SELECTOR, "figure .dot.bold")) == 2
    assert choice.name in find(browser, ".verdict").text


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_the_page_fits_the_width(show, name, width):
    browser = show(name, width=width)
    keep_screenshot(browser, f"study-{name}-{width}")
    assert_fits(browser, width)


@pytest.mark.parametrize(("medium", "scheme"), [("screen", "light"), ("screen", "dark"), ("print", "dark")])
def test_all_text_can_be_read(show, medium, scheme):
    browser = show(medium=medium, scheme=scheme)
    keep_screenshot(browser, f"study-{medium}-{scheme}")
    assert min(browser.execute_script(CONTRASTS)) >= [4.5, ""]
