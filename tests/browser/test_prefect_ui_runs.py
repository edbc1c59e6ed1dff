"""What a person sees of a schedule in Prefect's UI, and how a run is cancelled there."""

from selenium.webdriver.common.by import By

from tests.browser.looking import keep_screenshot
from tests.browser.prefect_forms import shown
from tests.e2e.stack import retrain
from tests.fakes.waiting import wait_for

LONG = 9999
"""Epochs of a run that does not end by itself while a person reaches for the button."""


def test_the_deployment_shows_a_schedule_and_its_runs_have_the_request(browser, stack, export):
    options = ["--cron", "17 3 * * *", "--timezone", "UTC", "--export", str(export), "--epochs", "7", "--ask"]
    stack.nasflow("schedule", "set", "scheduled-pets", *options)
    try:
        deployment = stack.api("/deployments/name/retrain/retrain")["id"]
        browser.get(f"{stack.addresses['ui']}/deployments/deployment/{deployment}")
        shown(browser, "//*[normalize-space(text())='nasflow-scheduled-pets']")
        keep_screenshot(browser, "schedule", whole=False)

        scheduled = {"deployment_id": {"any_": [deployment]}, "state": {"type": {"any_": ["SCHEDULED"]}}}
        runs = stack.api("/flow_runs/filter", {"flow_runs": scheduled, "sort": "EXPECTED_START_TIME_ASC"})
        browser.get(f"{stack.addresses['ui']}/runs/flow-run/{runs[0]['id']}?tab=Parameters")
        shown(browser, "//*[contains(text(), 'scheduled-pets')]")
        text = browser.find_element(By.TAG_NAME, "body").text
        for words in ('"epochs": 7', '"ask": true', str(export)):
            assert words in text
    finally:
        stack.nasflow("schedule", "remove", "scheduled-pets")


def test_a_run_is_cancelled_with_the_button(browser, stack, export):
    run = retrain(stack, export, "cancelled-in-the-ui", "--no-wait", "--patience", str(LONG), epochs=LONG)["flow_run"]
    children = {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}}
    wait_for(lambda: [one for one in stack.api("/flow_runs/filter", children) if one["state_name"] == "Running"])

    try:
        browser.get(f"{stack.addresses['ui']}/runs/flow-run/{run}")
        shown(browser, "//button[normalize-space()='Cancel']").click()
        shown(browser, "//*[contains(@class, 'p-modal')]//button[normalize-space()='Confirm']")
        keep_screenshot(browser, "cancel", whole=False)
        shown(browser, "//*[contains(@class, 'p-modal')]//button[normalize-space()='Confirm']").click()

        for one in (run, *(child["id"] for child in stack.api("/flow_runs/filter", children))):
            assert stack.end(one)[0] == "Cancelled", stack.state(one)
    finally:  # otherwise the run would keep the only place for all tests after it
        stack.run("runs", "cancel", run, "--no-wait")
