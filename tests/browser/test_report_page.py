"""The report page as a browser sees it: it asks for nothing, answers pointer and keyboard, and fits a phone."""

import csv
import re
from itertools import pairwise

import pytest
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

from tasks.evaluation.report.content import ReportContent
from tasks.evaluation.report.images import draw_images
from tasks.evaluation.report.page import write_report
from tasks.evaluation.report.suspected_errors import draw_suspected_errors
from tasks.records import Box, LabelledImage
from tests.browser.looking import CONTRASTS, assert_fits, keep_screenshot, requested
from tests.fakes import evaluations as fakes
from tests.fakes.learning import study

FEW = ("cat", '</script><img src=x onerror="document.title=1">', "=dog")
LIMIT = 3_000_000
"""Bytes of a page of 60 classes, without its images."""


def content_of(folder, classes):
    """A page with everything on it; two images of each kind."""
    Image.new("RGB", (320, 240), "#557799").save(folder / "any.png")
    labels = [Box(0, 40, 40, 140, 140), Box(1, 200, 60, 300, 160)]
    images = [
        LabelledImage(
            file_name=f"{n}.jpg", split="test", sha256="0" * 64, size=1, width=320, height=240, boxes=tuple(labels)
        )
        for n in range(1, 5)
    ]
    boxes = {
        1: [],
        2: [(0, 40, 40), (1, 200, 60), (0, 10, 190)],
        3: [(1, 40, 40), (1, 220, 90)],
        4: [(0, 40, 40), (1, 200, 60)],
    }
    detections = [
        {"image_id": image, "category_id": label + 1, "bbox": [x, y, 100, 100], "score": 0.9}
        for image, corners in boxes.items()
        for label, x, y in corners
    ]
    evaluation = fakes.evaluation(classes, absent=classes[-1:] if len(classes) > 3 else (), speed=fakes.speed())
    image = lambda image: folder / "any.png"  # noqa: E731
    return ReportContent(
        title="Cats & dogs",
        evaluation=evaluation,
        comparison=fakes.comparison(classes),
        decision=fakes.decision(),
        learning=study(classes),
        history=fakes.long_history(),
        spec=fakes.spec(classes),
        result=fakes.result(),
        images=draw_images(images, classes, detections, 0.5, image, 12),
        suspected_errors=draw_suspected_errors(evaluation.analysis.suspected_errors, images, classes, image, 12),
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    for name, classes in (("few", FEW), ("many", fakes.class_names(60))):
        write_report(folder / f"{name}.html", content_of(folder, classes))
    text = (folder / "few.html").read_text("utf-8")
    (folder / "bare.html").write_text(re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL), "utf-8")
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
    return svg, svg.find_element(By.XPATH, "./ancestor::figure")


def test_the_page_loads_nothing_and_logs_nothing(show):
    browser = show()
    assert requested(browser) == []
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.classList.contains('js')")


def test_another_script_would_not_run(show):
    browser = show()
    browser.execute_script(
        "const made = document.createElement('script'); made.textContent = 'document.title = \"run\"';"
        "document.body.append(made)"
    )
    assert browser.title == "Cats & dogs"
    assert "Content Security Policy" in browser.get_log("browser")[0]["message"]


def test_names_are_text(show):
    browser = show()
    assert FEW[1] in find(browser, "#by-class").text
    assert FEW[1] in [one.text for one in Select(find(browser, "#class")).options]
    assert browser.find_elements(By.CSS_SELECTOR, "[onerror]") == []
    assert browser.title == "Cats & dogs"


# Curves -------------------------------------------------------------------------------------------


def test_a_curve_answers_the_pointer(show):
    browser = show()
    svg, figure = chart_of(browser, "threshold")
    readout = figure.find_element(By.CLASS_NAME, "readout")
    assert readout.text == ""
    ActionChains(browser).move_to_element(svg).perform()
    # The middle of the drawing, 210 of 420, is at (210 - 46) / (408 - 46) of the axis: threshold 0.45.
    curve = fakes.threshold_curve(0.5)
    assert readout.text == (
        f"threshold 0.45: precision {curve.precision[45]:.3f}, recall {curve.recall[45]:.3f}, F1 {curve.f1[45]:.3f}"
    )
    cursor = svg.find_element(By.CLASS_NAME, "cursor")
    assert cursor.value_of_css_property("display") != "none"
    assert float(cursor.get_attribute("x1")) == pytest.approx(46 + 0.45 * 362)


def test_a_curve_answers_the_keyboard(show):
    browser = show()
    svg, figure = chart_of(browser, "training-map")
    readout = figure.find_element(By.CLASS_NAME, "readout")
    browser.execute_script("arguments[0].focus()", svg)
    first, second, *_, last = fakes.long_history()
    assert readout.text == f"epoch 1: mAP {first.map:.3f}, mAP50 {first.map50:.3f}"
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
    assert readout.text == f"epoch 2: mAP {second.map:.3f}, mAP50 {second.map50:.3f}"
    ActionChains(browser).send_keys(Keys.END, Keys.ARROW_RIGHT).perform()
    assert readout.text == f"epoch 50: mAP {last.map:.3f}, mAP50 {last.map50:.3f}"
    assert svg.get_attribute("role") == "slider"
    assert svg.get_attribute("aria-valuetext") == readout.text


def test_a_legend_button_hides_its_series(show):
    browser = show()
    svg, figure = chart_of(browser, "threshold")
    series = [svg.find_element(By.CSS_SELECTOR, f".s{number}") for number in range(3)]
    button = figure.find_element(By.CSS_SELECTOR, ".legend .s1")
    assert button.text == "recall"
    button.send_keys(Keys.ENTER)
    assert [one.is_displayed() for one in series] == [True, False, True]
    assert button.get_attribute("aria-pressed") == "false"
    ActionChains(browser).move_to_element(svg).perform()
    assert "recall" not in figure.find_element(By.CLASS_NAME, "readout").text
    button.click()
    assert all(one.is_displayed() for one in series)
    assert button.get_attribute("aria-pressed") == "true"


def test_curves_of_a_class_take_the_place_of_all(show):
    browser = show("many")
    svg, figure = chart_of(browser, "threshold")
    Select(find(browser, "#class")).select_by_visible_text("dog")
    ActionChains(browser).move_to_element(svg).perform()
    curve = fakes.threshold_curve(0.4 + 1 / 5)
    assert figure.find_element(By.CLASS_NAME, "readout").text.startswith(
        f"threshold 0.45: precision {curve.precision[45]:.3f}"
    )
    assert svg.find_element(By.CSS_SELECTOR, ".mark text").text == f"chosen: {0.3 + 0.5 / 60:.3f}"
    middle = svg.find_element(By.CSS_SELECTOR, ".s0 polyline").get_attribute("points").split()[45].split(",")
    # 27 to 208 is precision 1 to 0.
    assert float(middle[1]) == pytest.approx(208 - 181 * curve.precision[45], abs=0.2)
    assert svg.get_attribute("aria-label") == "Precision, recall and F1, dog"


# Images -----------------------------------------------------------------------------------------


def test_the_worst_image_opens_and_closes_by_keyboard(show):
    browser = show()
    dialog = find(browser, "#large")
    assert not dialog.is_displayed()
    button = find(browser, ".zoom .open")
    browser.execute_script("arguments[0].focus()", button)
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    assert dialog.is_displayed()
    assert find(browser, "#large-name").text == "1.jpg"
    images = dialog.find_elements(By.TAG_NAME, "img")
    assert [one.size["width"] > 500 for one in images] == [True, True]
    assert f"cat (false negative), {FEW[1]} (false negative)" in dialog.text
    keep_screenshot(browser, "report-large")
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
    assert find(browser, "#large-name").text == "2.jpg"
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not dialog.is_displayed()
    assert browser.switch_to.active_element == button


def test_an_image_opens_by_a_click_and_closes_by_its_button(show):
    browser = show()
    browser.execute_script("document.querySelector('.zoom').scrollIntoView({block: 'center'})")
    find(browser, ".zoom .pair img").click()
    assert find(browser, "#large").is_displayed()
    find(browser, "#close").click()
    assert not find(browser, "#large").is_displayed()


def test_all_images_are_shown_and_described(show):
    browser = show()
    WebDriverWait(browser, 10).until(lambda b: b.execute_script("return [...document.images].every(i => i.complete)"))
    images = browser.execute_script("return [...document.images].map(image => [image.naturalWidth, image.alt])")
    assert len(images) == 4 * 2 + 2
    assert all(width > 100 and alt for width, alt in images)


# Tables -------------------------------------------------------------------------------------------


def copied(browser, table):
    """What is in the clipboard after the press of the table's button."""
    permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
    browser.execute_cdp_cmd("Browser.grantPermissions", {"permissions": permissions})
    button = find(browser, f"[data-table='{table}']")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    WebDriverWait(browser, 5).until(lambda b: button.text == "Copied")
    assert find(browser, "#announcement").get_attribute("textContent") == "Copied"
    read = "const done = arguments[0]; (window.kept ?? navigator.clipboard).readText().then(done, done)"
    return list(csv.reader(browser.execute_async_script(read).splitlines()))


@pytest.mark.parametrize("way", ["clipboard", "without a clipboard"])
def test_a_table_is_copied_as_csv(show, way):
    browser = show()
    if way == "without a clipboard":
        browser.execute_script(
            "window.kept = navigator.clipboard; Object.defineProperty(navigator, 'clipboard', {value: undefined})"
        )
    head, first, *_ = copied(browser, "by-class")
    assert head == [
        "Class", "Boxes", "AP", "AP low", "AP high", "AP50", "AP50 low", "AP50 high", "Precision", "Precision low",
        "Precision high", "Recall", "Recall low", "Recall high", "Threshold",
    ]  # fmt: skip
    assert first == [
        "cat", "4", "0.200", "0.150", "0.250", "0.400", "0.350", "0.450", "0.450", "0.400", "0.500", "0.350", "0.300",
        "0.400", "0.400",
    ]  # fmt: skip


def test_names_and_numbers_of_a_csv_are_exact(show):
    browser = show()
    rows = copied(browser, "confusion")
    # The formula's name is not one; empty cells are zeros.
    assert rows == [
        ["Labelled / found", "cat", FEW[1], "'=dog", "not found"],
        ["cat", "6", "0", "0", "1"],
        [FEW[1], "0", "7", "1", "2"],
        ["'=dog", "2", "0", "8", "3"],
        ["nothing labelled", "1", "2", "1", "0"],
    ]
    assert copied(browser, "gains")[3] == ["cat", "0.400", "0.340", "-0.060", "-0.110", "-0.010", "worse"]
    assert copied(browser, "errors")[1] == ["False negative (missed)", "14", "0.121"]


# Looks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["few", "many"])
@pytest.mark.parametrize("width", [320, 390, 768, 1200])
def test_the_page_fits_the_width(show, name, width):
    browser = show(name, width=width)
    browser.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    keep_screenshot(browser, f"report-{name}-{width}")
    assert_fits(browser, width)


@pytest.mark.parametrize("name", ["few", "many"])
@pytest.mark.parametrize(("medium", "scheme"), [("screen", "light"), ("screen", "dark"), ("print", "dark")])
def test_all_text_can_be_read(show, name, medium, scheme):
    browser = show(name, medium=medium, scheme=scheme)
    browser.execute_script("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    keep_screenshot(browser, f"report-{name}-{medium}-{scheme}")
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
    assert not any(one.is_displayed() for one in browser.find_elements(By.CSS_SELECTOR, ".copy, .open, .readout"))
    is_open = "dispatchEvent(new Event('{}')); return document.querySelectorAll('details:not([open])').length"
    assert browser.execute_script(is_open.format("beforeprint")) == 0
    assert browser.execute_script(is_open.format("afterprint")) > 0


def test_headings_are_in_order_and_tables_have_heads(show):
    browser = show()
    levels = browser.execute_script("return [...document.querySelectorAll('h1, h2, h3')].map(one => +one.tagName[1])")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert browser.execute_script("return document.querySelectorAll('th:not([scope])').length") == 0
    unnamed = "return [...document.querySelectorAll('button')].filter(one => !one.textContent && !one.ariaLabel).length"
    assert browser.execute_script(unnamed) == 0


def test_the_keyboard_focus_is_visible(show):
    browser = show()
    find(browser, "body").send_keys(Keys.TAB)
    assert browser.switch_to.active_element.text == "To the scores"
    seen = set()
    for _ in range(40):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        seen.add(browser.switch_to.active_element.tag_name)
        outline = browser.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"
    assert seen >= {"a", "button", "select", "svg", "div"}


def test_without_the_script_the_page_shows_the_same(show):
    browser = show("bare")
    assert browser.find_elements(By.CSS_SELECTOR, "script") == []
    lines = browser.find_elements(By.CSS_SELECTOR, ".chart polyline")
    assert len(lines) == 4 + 6 + 3
    assert all(one.is_displayed() for one in lines)
    assert not any(one.is_displayed() for one in browser.find_elements(By.CSS_SELECTOR, ".copy, .open, select"))
    assert find(browser, "[download]").get_attribute("href").startswith("data:text/csv")


def test_a_page_of_60_classes_is_small(pages, tmp_path):
    content = content_of(tmp_path, fakes.class_names(60))
    write_report(tmp_path / "page.html", ReportContent(**{**vars(content), "images": (), "suspected_errors": ()}))
    assert (tmp_path / "page.html").stat().st_size < LIMIT
