"""How browser tests look at pages: widths, media and colour schemes, contrast, and screenshots for people."""

import base64
import os
from pathlib import Path

CONTRASTS = """
const parts = colour => colour.match(/[\\d.]+/g).map(Number);
const light = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map(value => value / 255)
        .map(value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = element => {
    const layers = [];
    for (; element; element = element.parentElement) layers.push(parts(getComputedStyle(element).backgroundColor));
    return layers.reverse().reduce(
        (below, [r, g, b, alpha = 1]) => [r, g, b].map((value, at) => alpha * value + (1 - alpha) * below[at]),
        [255, 255, 255]);
};
return [...document.querySelectorAll("main *")]
    .filter(element => [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim()))
    .filter(element => element.checkVisibility())
    .map(element => {
        const style = getComputedStyle(element);
        const ink = element.closest("svg") ? style.fill : style.color;
        const [dark, bright] = [light(parts(ink)), light(behind(element))].sort((a, b) => a - b);
        return [(bright + 0.05) / (dark + 0.05), element.outerHTML.slice(0, 80)];
    });
"""
"""Contrast of each text with its background, as WCAG computes it."""


def emulate(browser, width=1200, medium="screen", scheme="light"):
    """Show pages at a width, on a medium, with a colour scheme."""
    sizes = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sizes)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": features})


def reset(browser):
    """Undo :func:`emulate`."""
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def keep_screenshot(browser, name, whole=True):
    """Save the page as an image into the folder that NASFLOW_TEST_SCREENSHOTS names, if it does.

    The whole page is drawn in a window of another size, which closes dialogs of Prefect's UI.
    """
    folder = os.environ.get("NASFLOW_TEST_SCREENSHOTS")
    if not folder:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    if not whole:
        browser.save_screenshot(Path(folder, f"{name}.png"))
        return
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    Path(folder, f"{name}.png").write_bytes(base64.b64decode(taken["data"]))


def image_widths(browser):
    """Widths in pixels of all images of the page, or an error if one cannot be shown."""
    browser.execute_script("for (const image of document.images) image.loading = 'eager'")
    return browser.execute_async_script(
        "const done = arguments[0]; Promise.all([...document.images].map(image => image.decode()))"
        ".then(() => done([...document.images].map(image => image.naturalWidth)), error => done([String(error)]))"
    )


def requested(browser):
    """Addresses that the page has asked for, apart from its own and from what it holds itself."""
    names = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    return [name for name in names if not name.startswith("data:")]


def assert_fits(browser, width):
    """The page is as wide as the window, and no part of it is wider."""
    inner, content, room = browser.execute_script(
        "return [innerWidth, document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert inner == width
    assert content <= room
