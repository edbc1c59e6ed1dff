"""A project with many versions: how long its list and its page take, and how often the store is asked."""

import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from tasks.settings import StoreSettings, from_environment
from tests.fakes.counting_proxy import CountingProxy
from tests.fakes.published import publish_one
from tests.fleet.stack import FleetStack

PROJECT = "fruit"
"""That of ``publish_one``."""


def measure_many_versions(stack: FleetStack, count: int) -> dict[str, float]:
    """Publish versions as runs do, one after the other, and measure the commands.

    Args:
        stack: The servers.
        count: How many versions.

    Returns:
        Seconds and requests to the store: to publish the last version, to list, and to write the page anew.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        for number in range(count):
            publish_one(stack.store, Path(name), weights=f"weights {number}".encode(), expected=number or None)
    found = {"publish_seconds": (time.monotonic() - began) / count}
    server = urlsplit(from_environment(StoreSettings).endpoint)
    with CountingProxy(str(server.hostname), int(server.port or 80)) as proxy:
        for name, arguments in (("page", ["page", PROJECT]), ("list", ["list", "--project", PROJECT])):
            stack.nasflow("models", *arguments, NASFLOW_STORE_ENDPOINT=proxy.url)  # what is computed once, is now
            before = proxy.counted()
            _, found[f"{name}_seconds"] = stack.nasflow("models", *arguments)
            stack.nasflow("models", *arguments, NASFLOW_STORE_ENDPOINT=proxy.url)
            found[f"{name}_requests"] = (proxy.counted() - before).total()
    return found
