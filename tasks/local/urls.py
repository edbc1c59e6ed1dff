"""Whether a setting is a URL that requests can be sent to; without showing a password in it."""

import re
from urllib.parse import urlsplit

MAX_PORT = 65535


def url_problem(url: str) -> str | None:
    """Say what is wrong with a URL.

    Args:
        url: The URL of a service.

    Returns:
        The URL, without name and password, what is wrong and the remedy, to be put after "VARIABLE is"; None if
        nothing is.
    """
    if not is_url(url):
        return f"{shown_url(url)}, not a URL; begin it with https:// (or http:// inside), without blanks"
    if "@" in urlsplit(url).netloc:
        return f"{shown_url(url)}, with a name or password in it; take them out, and set the variables for credentials"
    return None


def shown_url(url: str) -> str:
    """A URL as messages may show it: a name and password, which precede ``@``, are replaced."""
    return re.sub(r"^(\w+://)?.*@", r"\1***@", url, flags=re.DOTALL)


def without_passwords(text: str) -> str:
    """A text in which the names and passwords of URLs are replaced, for errors of libraries that quote a URL."""
    return re.sub(r"(?<=://)[^\s/]*@", "***@", text)


def is_url(url: str) -> bool:
    """Whether a text is the address of an HTTP server, without blanks, and with a port that there can be."""
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        return False
    try:
        parts = urlsplit(url)
        is_port = parts.port is None or 0 < parts.port <= MAX_PORT
        return is_port and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # an address in brackets that is none, or a port over MAX_PORT or not a number
        return False
