"""A real browser, the local stack, and a small export."""

import shutil

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from deployments.demo.cartoons import draw_export
from tests.browser.looking import emulate, reset
from tests.e2e.stack import LocalStack

HOW_TO_INSTALL = "no chromium and chromedriver; on Debian: apt-get install chromium chromium-driver"
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1300,2600",
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not chromium or not driver:
        pytest.skip(HOW_TO_INSTALL)
    options = Options()
    options.binary_location = chromium
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for option in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(option)
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    yield chrome
    chrome.quit()


@pytest.fixture(autouse=True)
def blank_page(browser):
    """Leave the page after each test: Prefect's keeps a processor busy, also while the next test waits for a run."""
    yield
    browser.get("about:blank")


@pytest.fixture
def open_page(browser):
    """Opens a file at a width, for a medium, with a colour scheme, with an empty log; afterwards all is as before."""

    def opened(page, width=1200, scheme="light", medium="screen"):
        emulate(browser, width, medium, scheme)
        browser.get_log("browser")
        browser.get(page.as_uri())
        return browser

    yield opened
    reset(browser)


@pytest.fixture(scope="session")
def stack(browser, tmp_path_factory):
    with LocalStack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture(scope="session")
def export(tmp_path_factory):
    folder = tmp_path_factory.mktemp("labels") / "pets"
    draw_export(folder, 2, train=12, valid=4, test=4, size=96)
    return folder
