"""A project with many versions: how long its list and its page take, and how often the store is asked."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from deployments.remote.models import list_models
from tasks.promotion.page_in_store import update_page
from tasks.settings import StoreSettings, from_environment
from tasks.storage.s3 import Store
from tests.fakes.counting_proxy import CountingProxy
from tests.fakes.finished_runs import stored_labels
from tests.fakes.published import publish_one

PROJECT = "fruit"
"""That of ``publish_one``."""
ASKED: dict[str, Callable[[Store], object]] = {
    "page": lambda store: update_page(store, PROJECT),
    "list": lambda store: list_models(store, PROJECT),
}


def measure_many_versions(count: int) -> dict[str, float]:
    """Publish versions as runs do, one after the other, and measure what the commands do once Python has started.

    Args:
        count: How many versions.

    Returns:
        Seconds to publish a version; seconds and requests to the store to list, and to bring the page up to date.
    """
    settings, began = from_environment(StoreSettings), time.monotonic()
    store = Store(settings)
    with tempfile.TemporaryDirectory() as name:
        snapshot = stored_labels(store, Path(name)).snapshot_digest
        for number in range(count):
            weights = f"weights {number}".encode()
            publish_one(store, Path(name), weights=weights, expected=number or None, snapshot=snapshot)
    found = {"publish_seconds": (time.monotonic() - began) / count}
    for _ in range(2):  # counts all labels, then keeps the counts in the index, which runs do as they go on
        update_page(store, PROJECT)
    server = urlsplit(settings.endpoint)
    with CountingProxy(str(server.hostname), int(server.port or 80)) as proxy:
        counted = Store(settings.model_copy(update={"endpoint": proxy.url}))
        for name, ask in ASKED.items():
            before = proxy.counted()
            ask(counted)
            found[f"{name}_requests"] = (proxy.counted() - before).total()
            began = time.monotonic()
            ask(store)
            found[f"{name}_seconds"] = time.monotonic() - began
    return found
