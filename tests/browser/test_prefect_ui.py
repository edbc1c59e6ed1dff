"""What a person does in Prefect's UI: fill in the form, watch the run, open the report."""

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.browser.prefect_forms import field, fill, shown
from tests.fakes.waiting import wait_for

SETTINGS = {"Epochs": "2", "Image Size": "64", "Batch Size": "4"}


def submit(browser):
    """Press Submit until the form is gone, since a busy server may answer the first press with an error."""
    form = browser.current_url
    for _ in range(6):
        shown(browser, "//button[normalize-space()='Submit']").click()
        try:
            return WebDriverWait(browser, 20).until(lambda b: b.current_url != form)
        except TimeoutException:
            continue
    raise AssertionError(f"the form stays: {browser.find_element(By.TAG_NAME, 'body').text}")


@pytest.fixture(scope="session")
def run(browser, stack, export):
    """A run that was asked for with the form, once it has ended."""
    deployment = stack.api("/deployments/name/retrain/retrain")["id"]
    browser.get(f"{stack.addresses['ui']}/deployments/deployment/{deployment}/run")
    fill(browser, "Project", "from-the-form")
    field(browser, "Export").find_element(By.XPATH, ".//button[normalize-space()='str']").click()
    fill(browser, "Export", str(export))
    field(browser, "Batch Size").find_element(By.XPATH, ".//button[normalize-space()='int']").click()
    for title, value in SETTINGS.items():
        fill(browser, title, value)
    submit(browser)
    flow = {"flows": {"name": {"any_": ["retrain"]}}}
    asked = wait_for(lambda: stack.api("/flow_runs/filter", flow))[0]
    stack.end(asked["id"])
    return asked


def test_the_form_describes_each_field(browser, stack, run):
    browser.get(f"{stack.addresses['ui']}/deployments/deployment/{run['deployment_id']}/run")
    shown(browser, "//*[contains(text(), 'Side of the square network input in pixels')]")
    text = browser.find_element(By.TAG_NAME, "body").text
    for words in ("Project that the model belongs to", "Roboflow workspace", "Maximum number of epochs"):
        assert words in text


def test_a_run_asked_for_with_the_form_completes(stack, run):
    request = run["parameters"]["request"]
    assert request["project"] == "from-the-form"
    assert request["epochs"] == 2
    assert stack.state(run["id"])[0] == "Completed", stack.state(run["id"])


def test_the_run_shows_the_summary_and_its_link_opens_the_report(browser, stack, run):
    artifact = next(a for a in stack.artifacts(run["id"]) if a["type"] == "markdown")
    browser.get(f"{stack.addresses['ui']}/artifacts/artifact/{artifact['id']}")
    link = shown(browser, "//a[normalize-space()='Open the report']")
    browser.get(link.get_attribute("href"))
    shown(browser, "//table//th")
    assert "mAP" in browser.find_element(By.TAG_NAME, "body").text
    images = browser.execute_script("return [...document.images].map(i => i.complete && i.naturalWidth > 0)")
    assert images
    assert all(images)


def test_the_train_run_shows_the_epochs(browser, stack, run):
    tables = [a for a in stack.artifacts(run["id"]) if (a["key"] or "").startswith("epochs-")]
    newest = max(tables, key=lambda artifact: artifact["created"])
    browser.get(f"{stack.addresses['ui']}/artifacts/artifact/{newest['id']}")
    shown(browser, "//th[contains(., 'valid loss')]")
    rows = browser.find_elements(By.XPATH, "//tbody/tr")
    assert [row.text.split()[0] for row in rows] == ["1", "2"]
