"""The page of the server's calls as a browser sees it: it loads nothing from elsewhere, and can be used."""

import threading
import time

import pytest
import uvicorn
from selenium.webdriver.common.by import By

from deployments.serving.app import create_app
from deployments.serving.metrics import Metrics
from deployments.serving.model import ServedModel
from deployments.serving.settings import ServeSettings
from tests.browser.looking import emulate, keep_screenshot, reset
from tests.fakes import bright_spots
from tests.fakes.waiting import wait_for


@pytest.fixture(scope="module")
def url():
    """A server of the application in a thread."""
    served = ServedModel(bright_spots.detector(), "spots/1")
    app = create_app(lambda: served, ServeSettings(), Metrics())
    server = uvicorn.Server(uvicorn.Config(app, port=0, lifespan="off", log_config=None))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_for(lambda: server.started, "a server", seconds=60)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(60)


@pytest.fixture
def show(browser, url):
    """Opens the page at a width; afterwards all is as before."""

    def opened(width=1200):
        emulate(browser, width)
        browser.get_log("browser")
        browser.get(f"{url}/docs")
        wait_for(lambda: browser.find_elements(By.CSS_SELECTOR, ".opblock"), "the calls", seconds=120)
        return browser

    yield opened
    reset(browser)


def test_it_asks_the_server_alone_and_logs_nothing(show, url):
    browser = show()
    time.sleep(1)  # what it would load late
    requests = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert len(requests) >= 3
    assert [name for name in requests if not name.startswith(("data:", f"{url}/"))] == []
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("width", [390, 1200])
def test_it_lists_the_calls_and_fits_the_width(show, width):
    browser = show(width)
    paths = [one.text.replace("\u200b", "") for one in browser.find_elements(By.CSS_SELECTOR, ".opblock-summary-path")]
    assert sorted(paths) == ["/detect", "/health", "/metrics", "/ready", "/version"]
    content, room = browser.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert content <= room
    keep_screenshot(browser, f"serve-{width}", whole=False)


def test_a_call_can_be_tried(show):
    browser = show()
    call = browser.find_element(By.CSS_SELECTOR, "[id$='health_health_get']")
    call.find_element(By.CSS_SELECTOR, ".opblock-summary-control").click()
    wait_for(lambda: call.find_elements(By.CSS_SELECTOR, ".try-out__btn"), "the call", seconds=60)[0].click()
    wait_for(lambda: call.find_elements(By.CSS_SELECTOR, ".execute"), "a button", seconds=60)[0].click()
    wait_for(lambda: call.find_elements(By.CSS_SELECTOR, ".live-responses-table"), "an answer", seconds=60)
    assert '"ok": true' in call.find_element(By.CSS_SELECTOR, ".live-responses-table").text
