"""The project's page as a browser sees it: it asks for nothing, answers pointer and keyboard, and fits a phone."""

from dataclasses import replace
from itertools import pairwise

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from tasks.promotion.page.content import ProjectContent
from tasks.promotion.page.page import render
from tests.browser.looking import CONTRASTS, assert_fits, keep_screenshot, requested
from tests.fakes import projects as fakes

MARKUP = '</script><img src=x onerror="document.title=1">'
LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
PROJECT = "a-project-with-a-name-that-is-as-long-as-a-name-can-be-in-nasfl"


def few():
    """Six versions of a project with a long name, hostile classes, and a rollback by a person."""
    content = fakes.project(6, name=PROJECT, classes=(MARKUP, LONG, "dog"))
    moves = [*content.moves, fakes.move(1, f"{MARKUP} {LONG}", "<b>Ada</b>", rolled_back=4)]
    return replace(content, alias=fakes.alias(moves, PROJECT))


CONTENTS = {
    "few": few,
    "many": lambda: fakes.project(300),
    "one": lambda: fakes.project(1),
    "none": lambda: ProjectContent("pets", [], None, {}),
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, content in CONTENTS.items():
        (folder / f"{name}.html").write_text(render(content()), "utf-8")
    return folder


@pytest.fixture
def show(open_page, pages):
    """Opens a page at a width, for a medium, with a colour scheme."""
    return lambda name="few", **look: open_page(pages / f"{name}.html", **look)


def find(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def chart_of(browser, name):
    svg = find(browser, f"[data-chart='{name}']")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", svg)
    return svg, svg.find_element(By.XPATH, "./ancestor::figure").find_element(By.CLASS_NAME, "readout")


@pytest.mark.parametrize("name", CONTENTS)
def test_the_page_loads_nothing_and_logs_nothing(show, name):
    browser = show(name)
    assert requested(browser) == []
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.classList.contains('js')")


def test_names_are_text(show):
    browser = show()
    assert MARKUP in find(browser, "#by-class").text
    assert f"{MARKUP} {LONG}" in find(browser, "#history .why").text
    assert "<b>Ada</b>" in find(browser, ".verdict").text
    assert browser.find_elements(By.CSS_SELECTOR, "[onerror], main b") == []
    assert browser.title == PROJECT


def test_a_link_leads_to_the_report_beside_the_page(show, pages):
    link = find(show(), "#versions .links a")
    digest = f"{6:064x}"
    assert link.get_attribute("href") == f"{pages.as_uri()}/000006/{digest[:16]}-report.html"
    assert f"nasflow report {PROJECT} 6" in find(show(), "#versions .links").text


def test_a_dot_answers_the_pointer(show):
    browser = show()
    svg, readout = chart_of(browser, "versions")
    for number in (1, 4):
        dot = svg.find_elements(By.CSS_SELECTOR, ".bold circle")[number // 3]
        ActionChains(browser).move_to_element(dot).perform()
        card = fakes.version(number)
        low, high = card.scores.ci95["map"]
        start = f"version {number}: mAP {card.scores.map:.3f}, {low:.3f} to {high:.3f}, "
        assert readout.text.startswith(start)
    assert readout.text == f"{start}128 training images, image set 3, champion before"


def test_dots_answer_the_keyboard_in_the_order_of_the_axis(show):
    browser = show()
    svg, readout = chart_of(browser, "labels")
    browser.execute_script("arguments[0].focus()", svg)
    # The first version's labels are gone.
    assert readout.text.startswith("version 2: ")
    ActionChains(browser).send_keys(Keys.END).perform()
    assert readout.text.startswith("version 6: ")
    assert svg.get_attribute("aria-valuetext") == readout.text


@pytest.mark.parametrize("name", CONTENTS)
@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_the_page_fits_the_width(show, name, width):
    browser = show(name, width=width)
    keep_screenshot(browser, f"project-{name}-{width}")
    assert_fits(browser, width)


@pytest.mark.parametrize("name", ["few", "many"])
@pytest.mark.parametrize(("medium", "scheme"), [("screen", "light"), ("screen", "dark"), ("print", "dark")])
def test_all_text_can_be_read(show, name, medium, scheme):
    browser = show(name, medium=medium, scheme=scheme)
    keep_screenshot(browser, f"project-{name}-{medium}-{scheme}")
    assert min(browser.execute_script(CONTRASTS)) >= [4.5, ""]
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (medium == "print")


def test_nothing_is_cut_off_in_print(show):
    browser = show("many", width=720, medium="print")
    clipped = (
        "return [...document.querySelectorAll('.scroll')].map(one => getComputedStyle(one))"
        ".map(style => style.overflowX + ' ' + style.maxHeight)"
    )
    assert set(browser.execute_script(clipped)) == {"visible none"}


def test_headings_are_in_order_and_tables_have_heads(show):
    browser = show()
    levels = browser.execute_script("return [...document.querySelectorAll('h1, h2, h3')].map(one => +one.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert browser.execute_script("return document.querySelectorAll('th:not([scope])').length") == 0


def test_hundreds_of_versions_are_all_drawn_and_the_latest_listed(show):
    browser = show("many")
    assert len(browser.find_elements(By.CSS_SELECTOR, "[data-chart='versions'] .dot")) == 300
    numbers = [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#versions tbody th")]
    assert numbers == [str(number) for number in range(300, 250, -1)]
