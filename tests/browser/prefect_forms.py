"""How browser tests use the pages and forms of Prefect's UI."""

from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

PATIENCE = 180
"""Seconds that the page may take: on a busy machine each key takes some."""


def shown(browser, path, seconds=PATIENCE):
    """What an XPath finds, once it is there."""
    return WebDriverWait(browser, seconds).until(lambda b: b.find_element(By.XPATH, path))


def field(browser, title):
    """The part of the form for a field."""
    name = f"normalize-space()='{title}' or normalize-space()='{title} (Optional)'"
    header = f".//*[contains(@class, 'schema-form-property__header')]//*[{name}]"
    # The innermost match, since the request itself is a field, too.
    return shown(browser, f"(//div[contains(@class, 'schema-form-property')][{header}])[last()]")


def fill(browser, title, value):
    """Write into a field of the form."""

    def typed(browser):
        # The form is drawn again when the server answers, and then text that was typed may be lost.
        box = field(browser, title).find_element(By.CSS_SELECTOR, ".p-base-input__control")
        if box.get_attribute("value") == value:
            return True
        box.send_keys(Keys.CONTROL, "a")
        box.send_keys(value)
        return False

    WebDriverWait(browser, PATIENCE, ignored_exceptions=[StaleElementReferenceException]).until(typed)


def choose(browser, title, value):
    """Choose a value from the list of a field of the form."""
    Select(field(browser, title).find_element(By.TAG_NAME, "select")).select_by_visible_text(value)
