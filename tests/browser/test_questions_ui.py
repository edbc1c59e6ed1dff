"""What a person does in Prefect's UI when a run asks whether to promote its model, which is trained already."""

from functools import partial

import pytest
from selenium.webdriver.common.by import By

from tasks.storage.s3 import Store
from tests.browser.looking import keep_screenshot
from tests.browser.prefect_forms import choose, fill, shown
from tests.e2e.stack import ENDED
from tests.fakes.measured_labels import measured_labels
from tests.fakes.waiting import wait_for

ATTEMPTS = 3
PROJECT = "asked-in-the-ui"


@pytest.fixture
def labels(stack, monkeypatch, tmp_path):
    """An export on which a model is trained and measured already."""
    for name, value in stack.environment.items():
        if name.startswith("NASFLOW_STORE_"):
            monkeypatch.setenv(name, value)
    return measured_labels(Store.from_environment(), tmp_path, 1)


def has_text(browser, path, words):
    return words in browser.find_element(By.XPATH, path).text


def answer(browser, stack, run):
    """Fill in the form, and once more if the run stays suspended: SQLite may be busy, then the server answers 503."""
    for _ in range(ATTEMPTS):
        link = fill_in(browser, f"{stack.addresses['ui']}/runs/flow-run/{run}")
        try:
            wait_for(lambda: stack.state(run)[0] != "Suspended", seconds=60)
            return link
        except TimeoutError:
            keep_screenshot(browser, "question-again", whole=False)
    raise AssertionError(f"{stack.state(run)} after {ATTEMPTS} answers: {browser.get_log('browser')}")


def fill_in(browser, page):
    """Answer in the form of the run's page, and give the link to the report that the form shows."""
    browser.get(page)
    shown(browser, "//button[normalize-space()='Resume']").click()
    dialog = "//*[contains(@class, 'p-modal__card')]"
    link = shown(browser, f"{dialog}//a[normalize-space()='Open the report']").get_attribute("href")
    for words in (f"Promote version 1 of {PROJECT}?", "Class bird is no class of this model, so its AP is not known."):
        # Waited for, since what fades in has no text yet.
        wait_for(partial(has_text, browser, dialog, words))
    keep_screenshot(browser, "question", whole=False)
    choose(browser, "Answer", "promote")
    fill(browser, "By", "Ada")
    fill(browser, "Why", "birds come later")
    keep_screenshot(browser, "question-answered", whole=False)
    shown(browser, f"{dialog}//button[normalize-space()='Submit']").click()
    return link


def test_a_person_answers_in_the_form_and_the_version_is_promoted(browser, stack, labels):
    options = ["--export", str(labels), "--project", PROJECT, "--seed", "1", "--ask", "--min-ap", "bird=0.5"]
    run = stack.nasflow("retrain", *options, "--no-wait")["flow_run"]
    assert stack.end(run, ("Suspended", *ENDED))[0] == "Suspended", stack.state(run)

    link = answer(browser, stack, run)
    assert stack.end(run)[0] == "Completed", stack.state(run)
    model = stack.nasflow("models", "show", PROJECT, "champion")
    decision = model["decision"]
    assert (model["version"], decision["answer"], decision["answered_by"]) == (1, "promote", "Ada")
    assert decision["answered_why"] == "birds come later"
    browser.get(link)
    shown(browser, "//*[contains(text(), 'Cannot tell')]")
